// Runs a network as WebAssembly of its own: edgefer compiled it from the bundle's C, and it imports nothing.

const sizeOf = ({shape}) => shape.reduce((size, length) => size * length);

/** A model: run(Int8Array) -> the typed arrays of its outputs. Beside `url`, which names the bundle's C, is what it became. */
export async function load(url, contract) {
  const response = await fetch(url.replace(/\.c$/, '.wasm'));
  if (!response.ok) throw new Error(`${response.url} could not be fetched (${response.status} ${response.statusText})`);
  const {instance} = await WebAssembly.instantiate(await response.arrayBuffer());
  const {memory, input, output, run} = instance.exports;
  const given = new Int8Array(memory.buffer, input(), sizeOf(contract.input));
  const answered = new Int8Array(memory.buffer, output(), sizeOf(contract.output));
  return async (data) => {
    given.set(data);
    run();
    return [answered.slice()];
  };
}
