// MediaPipe's BlazeFace, short range: where the faces of a picture are. Weighted non-maximum suppression, as MediaPipe has it.

import {resize} from './preprocess.js';

const SIDE = 128; // pixels of the network's input
const GRIDS = [[16, 2], [8, 6]]; // cells a side, anchors a cell
const VALUES = 16; // of an anchor: centre, size and 6 points, x before y
const OVERLAP = 0.3; // boxes that share more of their area are of one face
export const TENSORS = {input: {shape: [1, SIDE, SIDE, 3], dtype: 'float32'}};

const ANCHORS = GRIDS.flatMap(([cells, each]) =>
  Array.from({length: cells * cells * each}, (_, i) => {
    const cell = Math.floor(i / each);
    return [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
  }),
);

/** The picture in the middle of a black square: {data: a Float32Array of -1 to 1, scale, left, top}. */
export function toNetwork(image) {
  const factor = SIDE / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((size) => Math.max(1, Math.round(size * factor)));
  const [left, top] = [(SIDE - width) >> 1, (SIDE - height) >> 1];
  const {data} = resize(image, width, height);
  const values = new Float32Array(SIDE * SIDE * 3).fill(-1);
  for (let y = 0; y < height; y++) {
    for (let x = 0, to = ((top + y) * SIDE + left) * 3, from = y * width * 3; x < width * 3; x++) {
      values[to + x] = data[from + x] / 127.5 - 1;
    }
  }
  return {data: values, scaleX: image.width / width, scaleY: image.height / height, left, top};
}

/** The network's two outputs -> [{score, values}], best first; values: left, top, right, bottom, 6 points, from 0 to 1. */
export function decode(outputs, threshold) {
  const [regressions, logits] = [...outputs].sort((one, other) => other.length - one.length);
  const found = [];
  ANCHORS.forEach(([x, y], i) => {
    const score = 1 / (1 + Math.exp(-logits[i]));
    if (!(score >= threshold)) return;
    const at = Array.from(regressions.subarray(i * VALUES, (i + 1) * VALUES), (value) => value / SIDE);
    const points = at.slice(4).map((value, k) => value + (k % 2 ? y : x));
    const [cx, cy, w, h] = [at[0] + x, at[1] + y, at[2] / 2, at[3] / 2];
    found.push({score, values: [cx - w, cy - h, cx + w, cy + h, ...points]});
  });
  found.sort((one, other) => other.score - one.score);
  return merged(found);
}

function merged(found) {
  const faces = [];
  while (found.length) {
    const best = found[0];
    const near = found.filter((other) => other === best || overlap(best.values, other.values) > OVERLAP);
    const total = near.reduce((sum, {score}) => sum + score, 0);
    const mean = (k) => near.reduce((sum, {score, values}) => sum + score * values[k], 0) / total;
    faces.push({score: best.score, values: best.values.map((_, k) => mean(k))});
    found = found.filter((other) => !near.includes(other));
  }
  return faces;
}

function overlap(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return (width * height) / Math.max(area(a) + area(b) - width * height, 1e-9);
}

/** A picture's faces in its pixels, best first: [{score, left, top, right, bottom}]; run: the network. */
export async function detect(image, run, threshold) {
  const {data, scaleX, scaleY, left, top} = toNetwork(image);
  return decode(await run(data), threshold).map(({score, values}) => ({
    score,
    left: (values[0] * SIDE - left) * scaleX,
    top: (values[1] * SIDE - top) * scaleY,
    right: (values[2] * SIDE - left) * scaleX,
    bottom: (values[3] * SIDE - top) * scaleY,
  }));
}

/** The square that the expression network was trained to see, from a detector's box: {left, top, side}, whole pixels. */
export function framed({left, top, right, bottom}, map) {
  const size = Math.max(right - left, bottom - top);
  const side = Math.max(1, Math.round(size * map.side));
  const [x, y] = [(left + right) / 2 + map.dx * size, (top + bottom) / 2 + map.dy * size];
  return {left: Math.round(x - side / 2), top: Math.round(y - side / 2), side};
}
