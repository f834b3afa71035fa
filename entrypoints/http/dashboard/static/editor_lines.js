// Selects the line of a link such as `#L12` in the editor, from the page's URL or a position in the output below.
"use strict";
(() => {
  const go = (hash) => {
    const found = /^#L(\d{1,7})/.exec(hash);
    if (!found || !window.editor) return;
    const line = Math.max(Math.min(Number(found[1]), editor.lineCount()) - 1, 0);
    editor.setCursor(line, editor.getLine(line).length - editor.getLine(line).trimStart().length);
    editor.scrollIntoView({ line, ch: 0 }, 80);
    editor.focus();
  };

  document.addEventListener("DOMContentLoaded", () => go(location.hash));
  addEventListener("hashchange", () => go(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#L']");
    if (link && link.hash === location.hash) go(link.hash);  // no event follows
  });
})();
