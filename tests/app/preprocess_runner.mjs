// Runs the page's arithmetic on what stands in a folder: cases.json lists the cases, N.bin has pixels.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const [code, folder] = process.argv.slice(2);
const page = (name) => import(pathToFileURL(`${code}/${name}`));
const {resize, cut, toInput, toPixels} = await page('preprocess.js');
const {cropSquare, squareOf} = await page('face.js');

JSON.parse(fs.readFileSync(`${folder}/cases.json`, 'utf8')).forEach(({width, height, to, box, contract, face, map}, i) => {
  const image = {width, height, data: new Uint8Array(fs.readFileSync(`${folder}/${i}.bin`))};
  const {data} = resize(image, ...to);
  fs.writeFileSync(`${folder}/${i}.resized`, data);
  fs.writeFileSync(`${folder}/${i}.box`, resize(image, ...to, box).data);
  fs.writeFileSync(`${folder}/${i}.face`, cropSquare(image, squareOf(face, map), to[0]).data);
  const pixels = toPixels(image, contract);
  fs.writeFileSync(`${folder}/${i}.input`, new Uint8Array(toInput(pixels, contract).buffer));
  fs.writeFileSync(`${folder}/${i}.cut`, cut(image, -2, -3, width + 1, height + 5).data);
});
