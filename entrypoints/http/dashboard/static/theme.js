// Loaded before the first paint, so that no page flashes in the other theme.
"use strict";
// What the browser stores for the visitor; it may be set to store nothing.
const stored = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* known to this page alone */ } },
  remove(key) { try { localStorage.removeItem(key); } catch { /* nothing is stored */ } },
  get keys() { try { return Object.keys(localStorage); } catch { return []; } },
};

(() => {
  const root = document.documentElement;
  const kept = stored.get("service-server-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const isDark = (root.dataset.theme || (systemIsDark ? "dark" : "light")) === "dark";
      root.dataset.theme = isDark ? "light" : "dark";
      stored.set("service-server-theme", root.dataset.theme);
      document.dispatchEvent(new Event("theme"));
    });
  });
})();
