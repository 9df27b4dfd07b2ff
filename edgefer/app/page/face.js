// From a detector's box to the face as FER2013 would have framed it; the same arithmetic as edgefer's detectors in Python.
// A face is {left, top, width, height, score, points, roll}; an angle is in degrees, positive clockwise.

import {resize, roundHalfToEven} from './preprocess.js';

const OVERSAMPLING = 4; // a turned face is sampled at up to so many times its size, then reduced
const LARGEST = 2; // times the longer side of the picture: no square larger than that is cut out

/** Degrees by which the line from the left eye to the right one, as seen in the picture, is turned. */
export function rollOf([leftX, leftY], [rightX, rightY]) {
  return (Math.atan2(rightY - leftY, rightX - leftX) * 180) / Math.PI;
}

/** The square that FER2013 would have framed: {x, y, side, roll}; it may reach out of the picture. */
export function squareOf(face, map) {
  if (map.align === 'points' && face.points.length) {
    const square = fitted(face.points, map.points);
    return map.box_share ? between(square, squareOf(face, {...map, align: 'eyes'}), map.box_share) : square;
  }
  const longer = Math.max(face.width, face.height);
  const roll = map.align === 'eyes' || map.align === 'points' ? face.roll : 0;
  const [right, down] = axes(roll);
  return {
    x: face.left + face.width / 2 + longer * (map.dx * right[0] + map.dy * down[0]),
    y: face.top + face.height / 2 + longer * (map.dx * right[1] + map.dy * down[1]),
    side: longer * map.side,
    roll,
  };
}

/** The square that lies `share` of the way from one to the other; sides are averaged as factors. */
function between(one, other, share) {
  const turn = ((((other.roll - one.roll + 180) % 360) + 360) % 360) - 180;
  return {
    x: one.x + share * (other.x - one.x),
    y: one.y + share * (other.y - one.y),
    side: one.side ** (1 - share) * other.side ** share,
    roll: one.roll + share * turn,
  };
}

/** Where a point of the square is in the picture; (0, 0) is its top left corner, (1, 1) its bottom right one. */
export function pointIn({x, y, side, roll}, u, v) {
  const [right, down] = axes(roll);
  const [across, along] = [side * (u - 0.5), side * (v - 0.5)];
  return [x + across * right[0] + along * down[0], y + across * right[1] + along * down[1]];
}

/** Its corners: top left, top right, bottom right, bottom left. */
export function cornersOf(square) {
  return [[0, 0], [1, 0], [1, 1], [0, 1]].map(([u, v]) => pointIn(square, u, v));
}

/** A square of the picture at size x size; what it has outside the picture repeats the picture's border. */
export function cropSquare(image, square, size) {
  const side = Math.min(Math.max(square.side, 1), LARGEST * Math.max(image.width, image.height));
  const {x, y, roll} = square;
  if (roll % 360 !== 0) return turned(image, {x, y, side, roll}, size);
  const half = side / 2;
  return part(image, [x - half, y - half, x + half, y + half], size, size);
}

function axes(roll) {
  const angle = roll * (Math.PI / 180);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [[c, s], [-s, c]];
}

/** The square whose canonical points come closest to `points`: the similarity of least squares. */
function fitted(points, canonical) {
  const mean = (of) => [0, 1].map((axis) => of.reduce((sum, point) => sum + point[axis], 0) / of.length);
  const [p, q] = [mean(canonical), mean(points)];
  let [real, imaginary, total] = [0, 0, 0];
  points.forEach(([qx, qy], i) => {
    const [px, py] = [canonical[i][0] - p[0], canonical[i][1] - p[1]];
    real += px * (qx - q[0]) + py * (qy - q[1]);
    imaginary += px * (qy - q[1]) - py * (qx - q[0]);
    total += px * px + py * py;
  });
  const [a, b] = [real / total, imaginary / total];
  const [dx, dy] = [0.5 - p[0], 0.5 - p[1]];
  return {
    x: q[0] + a * dx - b * dy,
    y: q[1] + b * dx + a * dy,
    side: Math.hypot(a, b),
    roll: (Math.atan2(b, a) * 180) / Math.PI,
  };
}

/** A box of the picture, which may reach out of it, at width x height. */
function part(image, box, width, height) {
  const [left, top] = [Math.floor(box[0]), Math.floor(box[1])];
  const [right, bottom] = [Math.ceil(box[2]), Math.ceil(box[3])];
  if (left >= 0 && top >= 0 && right <= image.width && bottom <= image.height) return resize(image, width, height, box);
  const local = [box[0] - left, box[1] - top, box[2] - left, box[3] - top];
  return resize(padded(image, left, top, right - left, bottom - top), width, height, local);
}

function padded(image, left, top, width, height) {
  const data = new Uint8Array(width * height * 3);
  const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
  for (let y = 0, to = 0; y < height; y++) {
    const row = inside(top + y, image.height) * image.width;
    for (let x = 0; x < width; x++, to += 3) {
      const from = (row + inside(left + x, image.width)) * 3;
      data.set(image.data.subarray(from, from + 3), to);
    }
  }
  return {width, height, data};
}

/** A turned square at size x size: the part around it is reduced, turned at that scale, and reduced again. */
function turned(image, square, size) {
  const corners = cornersOf(square);
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const box = [
    Math.floor(Math.min(...xs)) - 1,
    Math.floor(Math.min(...ys)) - 1,
    Math.ceil(Math.max(...xs)) + 1,
    Math.ceil(Math.max(...ys)) + 1,
  ];
  const fine = Math.min(Math.ceil(square.side), OVERSAMPLING * size);
  const scale = fine / square.side;
  const [width, height] = [0, 1].map((axis) => Math.max(1, roundHalfToEven((box[2 + axis] - box[axis]) * scale)));
  const around = part(image, box, width, height);
  const [perX, perY] = [width / (box[2] - box[0]), height / (box[3] - box[1])];
  const [[left, top], [right, rightY], , [bottomX, bottom]] = corners;
  const across = [(right - left) / fine, (rightY - top) / fine];
  const down = [(bottomX - left) / fine, (bottom - top) / fine];
  const toX = [across[0] * perX, down[0] * perX, (left - box[0]) * perX];
  const toY = [across[1] * perY, down[1] * perY, (top - box[1]) * perY];
  return resize(transformed(around, fine, toX, toY), size, size);
}

/** Pillow's Image.transform((size, size), AFFINE, ..., BILINEAR): where an output pixel's centre lies in the source, of four. */
function transformed(image, size, toX, toY) {
  const {width, height, data} = image;
  const out = new Uint8Array(size * size * 3);
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++, to += 3) {
      const xin = toX[0] * (x + 0.5) + toX[1] * (y + 0.5) + toX[2];
      const yin = toY[0] * (x + 0.5) + toY[1] * (y + 0.5) + toY[2];
      if (xin < 0 || xin >= width || yin < 0 || yin >= height) continue; // black
      const [x0, y0] = [Math.floor(xin - 0.5), Math.floor(yin - 0.5)];
      const [dx, dy] = [xin - 0.5 - x0, yin - 0.5 - y0];
      const [left, right] = [Math.max(x0, 0) * 3, Math.min(x0 + 1, width - 1) * 3];
      const [above, below] = [Math.max(y0, 0) * width * 3, Math.min(y0 + 1, height - 1) * width * 3];
      for (let c = 0; c < 3; c++) {
        const upper = data[above + left + c] + (data[above + right + c] - data[above + left + c]) * dx;
        const lower = data[below + left + c] + (data[below + right + c] - data[below + left + c]) * dx;
        out[to + c] = upper + (lower - upper) * dy;
      }
    }
  }
  return {width: size, height: size, data: out};
}
