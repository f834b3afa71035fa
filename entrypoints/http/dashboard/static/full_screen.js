// Shows only the editor and its results: with the button, or Alt+Enter; Escape leaves.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const section = document.getElementById("editing");
    if (!section) return;
    const button = document.getElementById("full-screen");
    button.hidden = false;
    let others = [];

    const set = (isFull) => {
      section.classList.toggle("full", isFull);
      document.documentElement.classList.toggle("full", isFull);
      button.setAttribute("aria-pressed", String(isFull));
      // The rest of the page is behind them, and is hidden from the keyboard and screen readers.
      for (const other of others) other.inert = false;
      others = [];
      for (let part = section; isFull && part !== document.body; part = part.parentElement) {
        others.push(...[...part.parentElement.children].filter((other) => other !== part && !other.inert));
      }
      for (const other of others) other.inert = true;
      window.editor.refresh();
    };

    button.addEventListener("click", () => set(!section.classList.contains("full")));
    document.addEventListener("keydown", (event) => {
      const isFull = section.classList.contains("full");
      if (event.key === "Enter" && event.altKey && section.contains(event.target)) {
        event.preventDefault();
        set(!isFull);
      } else if (event.key === "Escape" && isFull) {
        set(false);
      }
    }, true);
  });
})();
