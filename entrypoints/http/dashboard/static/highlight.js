// Language modes, loaded on demand, and highlighting of read-only code: the text of `data-highlight="python"`.
"use strict";

// Resolves to the name of a language's CodeMirror mode once its scripts are loaded; to null if it has none.
const loadMode = (() => {
  const modes = JSON.parse(document.getElementById("modes").textContent);
  const loaded = new Map();
  const load = (url) => new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: url, onload: resolve, onerror: reject });
    script.async = false;  // in order, because some depend on others
    document.head.append(script);
  });
  return async (language) => {
    const found = modes[language];
    if (!found) return null;
    for (const url of found.scripts) if (!loaded.has(url)) loaded.set(url, load(url));
    try {
      await Promise.all(found.scripts.map((url) => loaded.get(url)));
    } catch {
      for (const url of found.scripts) loaded.delete(url);
      return null;
    }
    return found.mode;
  };
})();

// Resolves to the lines of code as fragments; to null for code that stays plain so that the page stays responsive.
const highlightedLines = async (code, language) => {
  const MAX_CHARS = 200000;
  const MAX_LINE_CHARS = 5000;
  // The time of a mode can be quadratic, for example in the depth of brackets, and must not block the page.
  const MAX_MS = 2000;
  const late = new Error("highlighting takes too long");
  if (code.length > MAX_CHARS || code.split("\n").some((line) => line.length > MAX_LINE_CHARS)) return null;
  const mode = await loadMode(language);
  if (!mode) return null;
  const lines = [document.createDocumentFragment()];
  const end = performance.now() + MAX_MS;
  const add = (token, style) => {
    if (performance.now() > end) throw late;
    if (token === "\n") {
      lines.push(document.createDocumentFragment());
    } else if (style) {
      const span = document.createElement("span");
      span.className = style.replace(/(^| +)/g, "$1cm-");
      span.textContent = token;
      lines.at(-1).append(span);
    } else {
      lines.at(-1).append(token);
    }
  };
  try {
    CodeMirror.runMode(code, mode, add);
  } catch (error) {
    if (error !== late) throw error;
    return null;
  }
  return lines;
};

document.addEventListener("DOMContentLoaded", async () => {
  for (const element of document.querySelectorAll("[data-highlight]")) {
    const lines = await highlightedLines(element.textContent, element.dataset.highlight);
    if (!lines) continue;
    element.classList.add("cm-s-default");
    element.replaceChildren(...lines.flatMap((line, place) => (place ? ["\n", line] : [line])));
  }
});
