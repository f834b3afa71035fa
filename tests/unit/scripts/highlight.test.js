// Highlighted code: its lines, and the code that stays plain because its mode takes too long.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { load } = require("./load.js");

// Highlights with a mode of tokens, of which each takes so many milliseconds.
const highlighted = (tokens, milliseconds) => {
  let now = 0;
  const element = () => ({ parts: [], append(part) { this.parts.push(part); } });
  const { highlightedLines } = load(["highlight.js"], ["highlightedLines"], {
    document: {
      getElementById: () => ({ textContent: JSON.stringify({ python: { mode: "python", scripts: [] } }) }),
      createDocumentFragment: element,
      createElement: element,
      addEventListener: () => {},
    },
    performance: { now: () => now },
    CodeMirror: { runMode: (_code, _mode, add) => { for (const token of tokens()) { now += milliseconds; add(token, null); } } },
  });
  return highlightedLines("code", "python");
};

test("code is shown by its lines", async () => {
  const lines = await highlighted(function* few() { yield* ["a", "\n", "b"]; }, 1);
  assert.deepStrictEqual(lines.map(({ parts }) => parts), [["a"], ["b"]]);
});

test("code stays plain whose mode would stop the page", async () => {
  assert.strictEqual(await highlighted(function* endless() { for (;;) yield "("; }, 10), null);
});
