// Runs the page's arithmetic on what stands in a folder: cases.json lists {width, height, resize, crop, spec}; N.bin has the pixels.
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const [code, folder] = process.argv.slice(2);
const page = (name) => import(pathToFileURL(`${code}/${name}`));
const {resize, cut, toInput, toPixels} = await page('preprocess.js');

JSON.parse(fs.readFileSync(`${folder}/cases.json`, 'utf8')).forEach(({width, height, to, contract}, i) => {
  const image = {width, height, data: new Uint8Array(fs.readFileSync(`${folder}/${i}.bin`))};
  const {data} = resize(image, ...to);
  fs.writeFileSync(`${folder}/${i}.resized`, data);
  const pixels = toPixels(image, contract);
  fs.writeFileSync(`${folder}/${i}.input`, new Uint8Array(toInput(pixels, contract).buffer));
  fs.writeFileSync(`${folder}/${i}.cut`, cut(image, -2, -3, width + 1, height + 5).data);
});
