// Keeps the page on the device, so that it works without a network. files.js says what belongs to this version of it.

importScripts('files.js');

const {version, files} = self.PAGE;
const mine = `edgefer ${registration.scope} `; // the origin may have other pages
const name = mine + version;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(name).then((cache) => cache.addAll(files.map((file) => new Request(file, {cache: 'reload'})))));
  skipWaiting();
});

self.addEventListener('activate', (event) => {
  const old = (key) => key.startsWith(mine) && key !== name;
  const clean = async () => Promise.all((await caches.keys()).filter(old).map((key) => caches.delete(key)));
  event.waitUntil(clean().then(() => clients.claim()));
});

self.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET' && event.request.url.startsWith(registration.scope)) event.respondWith(answer(event.request));
});

/** From the cache; an engine's file is kept when it is first used, because a browser needs one of several. */
async function answer(request) {
  const cache = await caches.open(name);
  const kept = await cache.match(request, {ignoreSearch: true});
  if (kept) return kept;
  const response = await fetch(request);
  if (response.status === 200) await cache.put(request, response.clone());
  return response;
}
