// Prints the kernels that the page chooses here, and the answer of their module to input.bin: node kernels_runner.mjs ENGINE FOLDER
import {readFile} from 'node:fs/promises';
import {pathToFileURL} from 'node:url';

const [engine, folder] = process.argv.slice(2);
const {chooseKernels, load} = await import(pathToFileURL(engine));
globalThis.fetch = async (url) => new Response(await readFile(url));
const input = new Int8Array(await readFile(`${folder}/golden/input.bin`));
const model = await load(`${folder}/model.c`, {input: {shape: [input.length]}, output: {shape: [7]}});
console.log(JSON.stringify([await chooseKernels(), Array.from((await model(input))[0])]));
