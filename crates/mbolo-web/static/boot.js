// The first code that runs: theme and language before the first paint, then the UI. Everything else is WASM.
"use strict";
(() => {
  const root = document.documentElement;
  const stored = (key) => {
    try { return localStorage.getItem(key); } catch { return null; }
  };
  const theme = stored("mbolo.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = stored("mbolo.language") || navigator.language || "en";
  root.lang = language.toLowerCase().startsWith("fr") ? "fr" : "en";
  if (stored("mbolo.known")) root.dataset.known = "";

  const { ui, uiWasm } = document.currentScript.dataset;
  import(ui)
    .then((module) => module.default({ module_or_path: uiWasm }))
    .catch((error) => {
      console.error(error);
      root.dataset.broken = "";
    });

  if ("serviceWorker" in navigator && isSecureContext) navigator.serviceWorker.register("/sw.js").catch(() => {});
})();
