// Runs .tflite files with LiteRT.js, on the processor.

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

let loaded;

/** A model: run(typed array) -> the typed arrays of its outputs, in the file's order. */
export async function load(url, contract, folder) {
  loaded ??= loadLiteRt(`${folder}/@litertjs/core/wasm/`);
  await loaded;
  const model = await loadAndCompile(url, {accelerator: 'wasm'});
  return async (data) => {
    const input = new Tensor(data, contract.input.shape);
    let outputs = [];
    try {
      outputs = await model.run(input);
      return await Promise.all(outputs.map(async (output) => (await output.data()).slice()));
    } finally {
      [input, ...outputs].forEach((tensor) => tensor.delete());
    }
  };
}
