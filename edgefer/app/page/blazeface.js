// BlazeFace (Bazarevsky et al. 2019), MediaPipe's short-range model: where the faces of a picture are. As edgefer's Python has it.

import {cropSquare, pointIn, rollOf, squareOf} from './face.js';
import {resize, roundHalfToEven} from './preprocess.js';

const SIDE = 128; // pixels of the network's input
const GRIDS = [[16, 2], [8, 6]]; // cells a side, anchors in a cell
const VALUES = 16; // of an anchor: centre, size and 6 points, x before y
const SAME_FACE = 0.3; // boxes whose intersection over union is larger are of one face
const SURROUNDINGS = {dx: 0, dy: 0, side: 2.4, align: 'eyes'}; // what a second look is at
const AGAIN = 192; // pixels of that
const NEAR = 0.5; // of the box's side: a face whose centre is further off is another one

export const TENSORS = {input: {shape: [1, SIDE, SIDE, 3], dtype: 'float32'}};

const ANCHORS = GRIDS.flatMap(([cells, each]) =>
  Array.from({length: cells * cells * each}, (_, i) => {
    const cell = Math.floor(i / each);
    return [((cell % cells) + 0.5) * (SIDE / cells), (Math.floor(cell / cells) + 0.5) * (SIDE / cells)];
  }),
);

/**
 * The best face of a picture, or null; run: the network. A face smaller than `second_pass[0]`, a share of the picture, or
 * turned by more than `second_pass[1]` degrees is looked at again: on the part of the picture around it, turned upright.
 */
export async function detect(image, run, {threshold, second_pass: [small, turned]}) {
  const [face] = await onePass(image, run, threshold);
  if (!face) return null;
  const least = small * Math.max(image.width, image.height);
  if (Math.max(face.width, face.height) >= least && Math.abs(face.roll) <= turned) return face;
  const surroundings = squareOf(face, SURROUNDINGS);
  for (const near of await onePass(cropSquare(image, surroundings, AGAIN), run, threshold)) {
    const [u, v] = [(near.left + near.width / 2) / AGAIN, (near.top + near.height / 2) / AGAIN];
    if (Math.max(Math.abs(u - 0.5), Math.abs(v - 0.5)) * SURROUNDINGS.side > NEAR) continue;
    const [x, y] = pointIn(surroundings, u, v);
    const [width, height] = [near.width, near.height].map((length) => (length * surroundings.side) / AGAIN);
    const points = near.points.map(([px, py]) => pointIn(surroundings, px / AGAIN, py / AGAIN));
    return {...face, left: x - width / 2, top: y - height / 2, width, height, points, roll: face.roll + near.roll};
  }
  return face;
}

async function onePass(image, run, threshold) {
  const view = toNetwork(image);
  const decoded = decode(await run(view.data), threshold);
  return decoded.map(({score, values}) => {
    const at = values.map((value, i) => (i % 2 ? (value - view.top) / view.scaleY : (value - view.left) / view.scaleX));
    const points = Array.from({length: 6}, (_, i) => [at[4 + 2 * i], at[5 + 2 * i]]);
    const [left, top, right, bottom] = at;
    return {left, top, width: right - left, height: bottom - top, score, points, roll: rollOf(points[0], points[1])};
  });
}

/** The picture in the middle of a black square, as values from -1 to 1, and how it lies there. */
function toNetwork(image) {
  const longer = Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((size) => Math.max(1, roundHalfToEven((size * SIDE) / longer)));
  const [left, top] = [(SIDE - width) >> 1, (SIDE - height) >> 1];
  const {data} = resize(image, width, height);
  const values = new Float32Array(SIDE * SIDE * 3).fill(-1);
  for (let y = 0; y < height; y++) {
    for (let x = 0, to = ((top + y) * SIDE + left) * 3, from = y * width * 3; x < width * 3; x++) {
      values[to + x] = Math.fround(data[from + x] / 127.5) - 1;
    }
  }
  return {data: values, scaleX: width / image.width, scaleY: height / image.height, left, top};
}

/** The network's outputs -> [{score, values}], best first; values: left, top, right, bottom and points in its pixels. */
function decode(outputs, threshold) {
  const [boxes, logits] = [...outputs].sort((one, other) => other.length - one.length);
  const found = [];
  ANCHORS.forEach(([x, y], i) => {
    const score = 1 / (1 + Math.exp(-logits[i]));
    if (!(score >= threshold)) return;
    const box = boxes.subarray(i * VALUES, (i + 1) * VALUES);
    const [cx, cy, halfWidth, halfHeight] = [box[0] + x, box[1] + y, box[2] / 2, box[3] / 2];
    const points = Array.from(box.subarray(4), (value, k) => value + (k % 2 ? y : x));
    found.push({score, values: [cx - halfWidth, cy - halfHeight, cx + halfWidth, cy + halfHeight, ...points]});
  });
  return merged(found.sort((one, other) => other.score - one.score));
}

/** Boxes that overlap the best one are averaged with it, weighted by their scores, as MediaPipe does it. */
function merged(found) {
  const faces = [];
  while (found.length) {
    const [best] = found;
    const same = found.filter((other) => other === best || overlap(best.values, other.values) > SAME_FACE);
    const total = same.reduce((sum, {score}) => sum + score, 0);
    const mean = (k) => same.reduce((sum, {score, values}) => sum + score * values[k], 0) / total;
    faces.push({score: best.score, values: best.values.map((_, k) => mean(k))});
    found = found.filter((other) => !same.includes(other));
  }
  return faces;
}

function overlap(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return (width * height) / Math.max(area(a) + area(b) - width * height, 1e-9);
}
