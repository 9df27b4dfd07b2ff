// Runs a network as WebAssembly of its own: edgefer compiled it from the bundle's C, and it imports nothing.

const sizeOf = ({shape}) => shape.reduce((size, length) => size * length);

// A module that exports dot(weight, value): i32x4.relaxed_dot_i8x16_i7x16_add_s of vectors of these bytes, one sum of four.
const DOT = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 100, 111, 116, 0, 0, // (i32, i32) -> i32
  10, 22, 1, 20, 0, 32, 0, 253, 15, 32, 1, 253, 15, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
);

/** The kernels that are exact here, as their modules' names have them: relaxed SIMD's, if this engine has it and its dot product
 * takes bytes from 0 to 255 as unsigned or as signed ones without losing a sum's end, which is the engine's choice; else ''. */
export async function chooseKernels() {
  if (!WebAssembly.validate(DOT)) return '';
  const {dot} = (await WebAssembly.instantiate(DOT)).instance.exports;
  const has = (...sums) => dot(127, 255) === sums[0] && dot(-127, 128) === sums[1];
  if (has(4 * 127 * 255, 4 * -127 * 128)) return '.relaxed_unsigned';
  if (has(4 * 127 * -1, 4 * -127 * -128)) return '.relaxed_signed';
  return '';
}

/** A model: run(Int8Array) -> the typed arrays of its outputs. Beside `url`, which names the bundle's C, is what it became. */
export async function load(url, contract) {
  const response = await fetch(url.replace(/\.c$/, `${await chooseKernels()}.wasm`));
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
