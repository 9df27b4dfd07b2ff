// Runs .onnx files with onnxruntime-web, on the processor.

import * as ort from './engine/onnxruntime-web/dist/ort.wasm.min.mjs';

/** A model: run(typed array) -> the typed arrays of its outputs, in the file's order. */
export async function load(url, contract, folder) {
  ort.env.wasm.numThreads = 1; // more would need headers that not every server sends
  ort.env.wasm.wasmPaths = new URL(`${folder}/onnxruntime-web/dist/`, document.baseURI).href;
  const session = await ort.InferenceSession.create(url, {executionProviders: ['wasm']});
  const {input} = contract;
  return async (data) => {
    const outputs = await session.run({[session.inputNames[0]]: new ort.Tensor(input.dtype, data, input.shape)});
    return session.outputNames.map((name) => outputs[name].data);
  };
}
