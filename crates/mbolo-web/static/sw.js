// Keeps the app's own files, so that it opens without a network. It never touches messages: those are in the
// engine's store and on a WebSocket, which no service worker sees.
"use strict";
const CACHE = "mbolo-{{build}}";
const FILES = [
  "/", "/manifest.webmanifest", "/mark.svg", "/icon-192.png", "{{app.css}}", "{{boot.js}}", "{{ui.js}}",
  "{{ui_bg.wasm}}", "{{worker.js}}", "{{engine.js}}", "{{engine_bg.wasm}}",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("mbolo-") && name !== CACHE;
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || url.pathname.startsWith("/v1/")) return;
  if (event.request.mode === "navigate") {
    // The newest page if the cell answers soon, else the kept one.
    event.respondWith(page(event.request));
  } else {
    event.respondWith(caches.match(event.request).then((kept) => kept || fetch(event.request)));
  }
});

async function page(request) {
  const kept = await caches.match("/");
  if (!kept) return fetch(request);
  const patience = new Promise((resolve) => setTimeout(() => resolve(kept), 2500));
  const fresh = fetch(request).then((answer) => (answer.ok ? answer : kept), () => kept);
  return Promise.race([fresh, patience]);
}
