// From a face's pixels to the model's input, as the bundle's contract says and as edgefer's Python does it, byte for byte.
// An image is {width, height, data}: data is a Uint8Array of red, green, blue, row by row.

const BITS = 22; // Pillow's fixed point for 8-bit images: 32 bits less 8 for the pixel and 2 of reserve

/** The window of source pixels behind each of `size` output pixels of `start` to `end`, and their weights: a triangle. */
function triangleWeights(sourceSize, size, start, end) {
  const scale = Math.fround(end - start) / size;
  const stretch = Math.max(scale, 1); // a smaller output averages: this is the antialiasing
  const windows = [];
  for (let i = 0; i < size; i++) {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - stretch + 0.5), 0);
    const last = Math.min(Math.trunc(centre + stretch + 0.5), sourceSize);
    const weights = [];
    let sum = 0;
    for (let k = first; k < last; k++) {
      const weight = Math.max(1 - Math.abs((k - centre + 0.5) * (1 / stretch)), 0);
      weights.push(weight);
      sum += weight;
    }
    windows.push({first, weights: Int32Array.from(weights, (weight) => Math.trunc(0.5 + (weight / sum) * (1 << BITS)))});
  }
  return windows;
}

/** One pass: each line of `from` (pixels `step` apart, lines `lineStep`) through the windows into `to`. */
function pass(from, step, lineStep, lines, windows, to, toStep, toLineStep) {
  const half = 1 << (BITS - 1);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < windows.length; i++) {
      const {first, weights} = windows[i];
      let red = half, green = half, blue = half;
      for (let k = 0, at = line * lineStep + first * step; k < weights.length; k++, at += step) {
        red += from[at] * weights[k];
        green += from[at + 1] * weights[k];
        blue += from[at + 2] * weights[k];
      }
      const at = line * toLineStep + i * toStep;
      to[at] = clip(red >> BITS);
      to[at + 1] = clip(green >> BITS);
      to[at + 2] = clip(blue >> BITS);
    }
  }
}

function clip(value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function resizeRows(image, width, start, end) {
  if (width === image.width && start === 0 && end === width) return image;
  const data = new Uint8Array(width * image.height * 3);
  const windows = triangleWeights(image.width, width, start, end);
  pass(image.data, 3, image.width * 3, image.height, windows, data, 3, width * 3);
  return {width, height: image.height, data};
}

function resizeColumns(image, height, start, end) {
  if (height === image.height && start === 0 && end === height) return image;
  const data = new Uint8Array(image.width * height * 3);
  const windows = triangleWeights(image.height, height, start, end);
  pass(image.data, image.width * 3, 3, image.width, windows, data, image.width * 3, 3);
  return {width: image.width, height, data};
}

/**
 * Pillow's Image.resize((width, height), BILINEAR, box): along rows, rounded to bytes, then along columns. Since Pillow 13
 * the columns come first where the height shrinks by much more than the width (github.com/python-pillow/Pillow/pull/9549);
 * of a square face they never do. box: left, top, right, bottom within the image, by default all of it.
 */
export function resize(image, width, height, box = [0, 0, image.width, image.height]) {
  const [left, top, right, bottom] = box.map(Math.fround);
  const columnsFirst = height < image.height && image.height - height > 2 * (image.width - width);
  if (columnsFirst) return resizeRows(resizeColumns(image, height, top, bottom), width, left, right);
  return resizeColumns(resizeRows(image, width, left, right), height, top, bottom);
}

/** The rectangle from (left, top), both whole numbers; what lies outside the image is black. */
export function cut(image, left, top, width, height) {
  const data = new Uint8Array(width * height * 3);
  const [from, to] = [Math.max(left, 0), Math.min(left + width, image.width)];
  for (let y = Math.max(top, 0); y < Math.min(top + height, image.height) && from < to; y++) {
    const row = image.data.subarray((y * image.width + from) * 3, (y * image.width + to) * 3);
    data.set(row, ((y - top) * width + from - left) * 3);
  }
  return {width, height, data};
}

/** A canvas's ImageData without its alpha. */
export function withoutAlpha({width, height, data}) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return {width, height, data: rgb};
}

/** A face of any size -> the pixels that the model sees, crop x crop. */
export function toPixels(face, contract) {
  const resized = resize(face, contract.resize, contract.resize);
  const offset = Math.floor((contract.resize - contract.crop) / 2);
  return cut(resized, offset, offset, contract.crop, contract.crop);
}

/** The pixels in the layout and the type of the model's input: a Float32Array or an Int8Array. */
export function toInput(pixels, contract) {
  const area = pixels.width * pixels.height;
  const values = new Float32Array(area * 3);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const to = contract.layout === 'NHWC' ? i * 3 + channel : channel * area + i;
      values[to] = pixels.data[i * 3 + channel];
    }
  }
  return quantise(values, contract.input);
}

/** Real values -> what the tensor stores, rounded half to even and clipped. */
export function quantise(values, spec) {
  if (spec.scale === null) return values;
  const scale = Math.fround(spec.scale);
  const stored = (value) => roundHalfToEven(Math.fround(value / scale)) + spec.zero_point;
  return Int8Array.from(values, (value) => Math.min(Math.max(stored(value), -128), 127));
}

/** What the tensor stores -> real values. */
export function dequantise(stored, spec) {
  if (spec.scale === null) return Float32Array.from(stored);
  return Float32Array.from(stored, (value) => (value - spec.zero_point) * Math.fround(spec.scale));
}

/** Python's round(). */
export function roundHalfToEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
