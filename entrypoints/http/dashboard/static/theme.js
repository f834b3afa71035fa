// Loaded before the first paint, so that no page flashes in the other theme.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("service-server-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const isDark = (root.dataset.theme || (systemIsDark ? "dark" : "light")) === "dark";
      root.dataset.theme = isDark ? "light" : "dark";
      localStorage.setItem("service-server-theme", root.dataset.theme);
      document.dispatchEvent(new Event("theme"));
    });
  });
})();
