// The dashboard's theme, applied before the first paint: the chosen one, otherwise the system's.
"use strict";
(() => {
  const KEY = "service-server-theme", root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  // A browser may be set to store nothing.
  const chosen = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const follow = () => {
    const isDark = (chosen() || (system.matches ? "dark" : "light")) === "dark";
    root.classList.toggle("dark-mode", isDark);
    root.dataset.theme = isDark ? "dark" : "light";
    document.dispatchEvent(new Event("theme"));
  };
  follow();
  system.addEventListener("change", follow);
  addEventListener("storage", ({ key }) => { if (key === KEY) follow(); });  // chosen in another tab
})();
