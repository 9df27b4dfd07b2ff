// The page: it checks the golden pairs on this device, then classifies what the camera or a photo shows.

import {cameras, openCamera} from './camera.js';
import {checkGolden, checkResize} from './golden.js';
import {decoded, drawn, drawnOpaque} from './picture.js';
import {cut, dequantise, toInput, toPixels} from './preprocess.js';

const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const OFFLINE_AFTER = 3000; // ms that loading waits for the page to be kept
const SPOKEN_AFTER = 1000; // ms that an answer lasts before a screen reader hears of it
const element = (id) => document.getElementById(id);
const view = element('view').getContext('2d', {willReadFrequently: true});
const video = element('video');
const state = {stream: null, answer: '', since: 0, spoken: '', times: [], run: null, contract: null, detect: null, photos: 0};

/** Tell whoever embeds or tests the page what happened. */
function tell(kind, detail) {
  document.dispatchEvent(new CustomEvent(`edgefer-${kind}`, {detail}));
}

function message(text) {
  element('message').textContent = text;
  if (text) tell('message', text);
}

async function fetched(url, as) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be fetched (${response.status} ${response.statusText})`);
  return response[as]();
}

/** Load the model and the detector, and check the golden pairs; throws if this device can't run them, or runs them wrongly. */
async function start() {
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(Uint8Array.from(SIMD))) {
    throw new Error('This browser has no WebAssembly with SIMD, which the model needs: use a newer one (Chrome 91, Firefox 89, Safari 16.4).');
  }
  await keepOffline();
  const page = await fetched('page.json', 'json');
  const manifest = await fetched('bundle/manifest.json', 'json');
  const {contract, golden, golden_resize: resized = null, format} = manifest;
  const load = async (kind, url, tensors) => (await import(`./engine-${kind}.js`)).load(url, tensors, 'engine');
  const outputs = await load(format, `bundle/${manifest.model}`, contract);
  const run = async (input) => (await outputs(input))[0];
  const check = await checkGolden(manifest, ...(await pairOf(golden)), run);
  check.resize = resized && (await checkResize(manifest, ...(await pairOf(resized)), run));
  tell('golden', check);
  const failure = goldenFailure(check);
  if (failure) throw new Error(`${failure} Its answers would be wrong, so none are given.`);
  element('golden').textContent = goldenWords(check);
  element('golden').className = 'holds';
  Object.assign(state, {run, contract, detect: await detector(page.detector, contract, load)});
}

async function detector(settings, contract, load) {
  if (!settings) return null;
  const {detect, TENSORS} = await import(`./${settings.name}.js`);
  const {cornersOf, cropSquare, squareOf} = await import('./face.js');
  const run = await load('tflite', settings.file, TENSORS);
  const map = contract.face_maps?.[settings.name] ?? settings.map; // bundles of earlier versions have none
  return async (image, size) => {
    const found = await detect(image, run, settings);
    if (!found) return null;
    const square = squareOf(found, map);
    return {face: cropSquare(image, square, size), corners: cornersOf(square)};
  };
}

/** A golden picture's pixels, and the bytes of its input and output. */
async function pairOf({picture, input, output}) {
  const image = await decoded(await fetched(`bundle/${picture}`, 'blob'));
  const files = [input, output].map((name) => fetched(`bundle/${name}`, 'arrayBuffer'));
  return [drawnOpaque(view, image), ...(await Promise.all(files))];
}

function goldenFailure({holds, inputs, difference, tolerance, resize}) {
  if (!holds) {
    const wrong = inputs
      ? `the golden picture becomes another input here (${inputs} values differ)`
      : `the model's answer to the golden input is off by ${difference.toFixed(6)}, ${tolerance} allowed`;
    return `The golden pair does not hold on this device: ${wrong}.`;
  }
  return resize && !resize.holds ? `The golden pair holds on this device, the resize does not: ${resizeWords(resize)}.` : '';
}

function goldenWords({difference, tolerance, resize}) {
  const pair = `The golden pair holds on this device: off by ${difference.toFixed(6)}, ${tolerance} allowed.`;
  return resize
    ? `${pair} So does the resize: ${resizeWords(resize)}.`
    : `${pair} The resize was not checked: this bundle has no picture for it.`;
}

function resizeWords({levels, levelsTolerance, difference, tolerance}) {
  return `pixels off by ${levels} of 255, ${levelsTolerance} allowed, the answer by ${difference.toFixed(6)}, ${tolerance} allowed`;
}

/** Keep the page for use without a network, where the browser lets it; a browser that keeps it waiting is not waited for. */
async function keepOffline() {
  const workers = navigator.serviceWorker;
  if (!workers) return; // a browser's private mode, or a page that did not come over HTTPS
  const controlled = new Promise((done) => {
    if (workers.controller) done();
    workers.addEventListener('controllerchange', done, {once: true});
  });
  const late = new Promise((done) => setTimeout(done, OFFLINE_AFTER));
  const kept = workers.register('service-worker.js').then(() => controlled);
  await Promise.race([kept.catch(() => {}), late]); // it is refused where the certificate is not trusted
}

/** What to classify, and its corners: the best face, or without a detector the photo, or the middle of the camera's picture. */
async function faceIn(image, whole) {
  if (state.detect) return state.detect(image, state.contract.resize);
  if (whole) return {face: image, corners: []};
  const side = Math.min(image.width, image.height);
  const [left, top] = [(image.width - side) >> 1, (image.height - side) >> 1];
  const [right, bottom] = [left + side, top + side];
  return {face: cut(image, left, top, side, side), corners: [[left, top], [right, top], [right, bottom], [left, bottom]]};
}

async function classify(image, whole) {
  const began = performance.now();
  const found = await faceIn(image, whole);
  const detected = performance.now();
  if (!found) {
    show(null, {detect: detected - began});
    tell('answer', {face: null});
    return;
  }
  const input = toInput(toPixels(found.face, state.contract), state.contract);
  const prepared = performance.now();
  const probabilities = dequantise(await state.run(input), state.contract.output);
  const ms = {detect: detected - began, prepare: prepared - detected, model: performance.now() - prepared};
  show(probabilities, ms);
  outline(found.corners);
  tell('answer', {...found, probabilities: Array.from(probabilities), ms});
}

/** A line around the face, white in black, so that it is seen on any picture. */
function outline(corners) {
  const width = Math.max(2, view.canvas.width / 200);
  for (const [colour, line] of [['#000', 2 * width], ['#fff', width]]) {
    Object.assign(view, {strokeStyle: colour, lineWidth: line, lineJoin: 'round'});
    view.beginPath();
    corners.forEach(([x, y]) => view.lineTo(x, y));
    view.closePath();
    view.stroke();
  }
}

function show(probabilities, ms) {
  const {labels} = state.contract;
  const values = probabilities ?? labels.map(() => 0);
  const best = values.indexOf(Math.max(...values));
  const answer = probabilities ? labels[best] : 'No face found';
  element('label').textContent = answer;
  [...element('bars').children].forEach((row, i) => {
    row.classList.toggle('first', probabilities !== null && i === best);
    row.querySelector('.bar span').style.transform = `scaleX(${values[i]})`;
    row.querySelector('.value').textContent = probabilities ? `${(100 * values[i]).toFixed(0)} %` : '–';
  });
  const parts = Object.entries(ms).filter(([part]) => part !== 'detect' || state.detect);
  const total = Object.values(ms).reduce((sum, part) => sum + part, 0);
  const rate = state.stream ? ` · ${framesPerSecond()} frames/s` : '';
  element('figures').textContent = `${total.toFixed(1)} ms (${parts.map(([part, time]) => `${part} ${time.toFixed(1)}`).join(', ')})${rate}`;
  speak(probabilities ? `${answer}, ${(100 * values[best]).toFixed(0)} percent` : answer, answer);
}

function framesPerSecond() {
  const now = performance.now();
  state.times = [...state.times.filter((time) => now - time < 2000), now];
  const seconds = (now - state.times[0]) / 1000;
  return seconds ? ((state.times.length - 1) / seconds).toFixed(0) : '–';
}

/** Let a screen reader hear an answer that lasts, once. */
function speak(text, answer) {
  const now = performance.now();
  if (answer !== state.answer) Object.assign(state, {answer, since: now});
  const lasts = !state.stream || now - state.since >= SPOKEN_AFTER;
  if (!lasts || answer === state.spoken) return;
  state.spoken = answer;
  element('announce').textContent = text;
  element('view').setAttribute('aria-label', `${state.stream ? 'Camera' : 'Photo'}: ${text}`);
}

async function toggleCamera() {
  if (state.stream) return stopCamera();
  message('');
  try {
    const stream = await openCamera(element('cameras').value);
    state.stream = stream;
    video.srcObject = stream;
    await video.play();
    const [track] = stream.getVideoTracks();
    track.addEventListener('ended', () => state.stream === stream && (stopCamera(), message('The camera was disconnected.')));
    view.canvas.classList.toggle('mirrored', track.getSettings().facingMode !== 'environment');
    element('camera').textContent = 'Stop camera';
    element('hint').hidden = Boolean(state.detect);
    await listCameras(track.getSettings().deviceId);
    requestAnimationFrame(() => nextFrame(stream));
  } catch (error) {
    stopCamera();
    message(error.message);
  }
}

async function listCameras(current) {
  const found = await cameras();
  element('cameras').replaceChildren(...found.map(({id, name}) => new Option(name, id, false, id === current)));
  element('choice').hidden = found.length < 2;
}

function stopCamera() {
  state.stream?.getTracks().forEach((track) => track.stop());
  Object.assign(state, {stream: null, times: []});
  video.srcObject = null;
  element('camera').textContent = 'Start camera';
}

async function nextFrame(stream) {
  if (state.stream !== stream) return;
  try {
    if (video.videoWidth) await classify(drawn(view, video, video.videoWidth, video.videoHeight), false);
  } catch (error) {
    stopCamera();
    message(`The model stopped (${error.message}). Load the page again.`);
    return;
  }
  requestAnimationFrame(() => nextFrame(stream));
}

async function openPhoto(file) {
  stopCamera();
  message('');
  const turn = ++state.photos; // a photo opened meanwhile replaces this one
  try {
    const photo = await decoded(file);
    if (turn !== state.photos) return;
    view.canvas.classList.remove('mirrored');
    element('hint').hidden = true;
    state.spoken = '';
    await classify(drawnOpaque(view, photo), true);
  } catch (error) {
    message(`${file.name} could not be opened as a picture (${error.message}).`);
  }
}

element('camera').addEventListener('click', toggleCamera);
element('cameras').addEventListener('change', () => (stopCamera(), toggleCamera()));
element('photo').addEventListener('change', ({target}) => {
  const [file] = target.files;
  target.value = ''; // the same photo may be chosen again
  if (file) openPhoto(file);
});
document.addEventListener('visibilitychange', () => document.hidden && stopCamera());

start().then(
  () => ['camera', 'photo'].forEach((id) => (element(id).disabled = false)),
  (error) => {
    element('golden').textContent = error.message;
    element('golden').className = 'failed';
    tell('failed', error.message);
  },
);
