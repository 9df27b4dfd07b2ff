// The golden pairs: what this device makes of the bundle's golden pictures and input, beside what it must make of them.

import {dequantise, toInput, toPixels} from './preprocess.js';

/** The bytes of a golden file as the tensor's values. */
export function values(buffer, spec) {
  return spec.dtype === 'int8' ? new Int8Array(buffer) : new Float32Array(buffer);
}

/** The largest difference between two arrays of equal length; infinite if one has a value that is no number. */
export function largestDifference(one, other) {
  if (one.length !== other.length) return Infinity;
  let largest = 0;
  one.forEach((value, i) => {
    const difference = Math.abs(value - other[i]);
    largest = Number.isFinite(difference) ? Math.max(largest, difference) : Infinity;
  });
  return largest;
}

/** How many values of the input differ that the golden picture becomes here. */
export function differingInputs(picture, input, contract) {
  const here = toInput(toPixels(picture, contract), contract);
  return here.length === input.length ? here.filter((value, i) => value !== input[i]).length : here.length;
}

/**
 * picture: the golden picture's pixels; input, output: the golden files' bytes; run: the model.
 * -> {inputs: values of the input that differ, difference: of the outputs, tolerance, holds}
 */
export async function checkGolden({contract, golden}, picture, input, output, run) {
  const given = values(input, contract.input);
  const inputs = differingInputs(picture, given, contract);
  const difference = offBy(output, await run(given), contract);
  const {tolerance} = golden;
  return {inputs, difference, tolerance, holds: inputs === 0 && difference <= tolerance};
}

/**
 * The same for the large picture, from its pixels to the output.
 * -> {levels: by which values of the input differ, levelsTolerance, difference: of the outputs, tolerance, holds}
 */
export async function checkResize({contract, golden_resize: golden}, picture, input, output, run) {
  const here = toInput(toPixels(picture, contract), contract);
  const [real, expected] = [here, values(input, contract.input)].map((tensor) => dequantise(tensor, contract.input));
  const levels = largestDifference(real, expected);
  const difference = offBy(output, await run(here), contract);
  const {levels: levelsTolerance, tolerance} = golden;
  return {levels, levelsTolerance, difference, tolerance, holds: levels <= levelsTolerance && difference <= tolerance};
}

function offBy(golden, output, contract) {
  const [one, other] = [values(golden, contract.output), output].map((tensor) => dequantise(tensor, contract.output));
  return largestDifference(one, other);
}
