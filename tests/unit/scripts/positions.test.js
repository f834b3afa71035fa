// Positions in the code that a line of output names: which ones, and that no line makes them slow.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { load } = require("./load.js");

const { positionsIn } = load(["positions.js"], ["positionsIn"]);

test("a file is found by its path, by the end of an absolute one and by its name", () => {
  const files = { "src/main.py": "#src/main.py:L" };
  for (const printed of ["src/main.py", "/home/box/src/main.py", "main.py"]) {
    const [{ path, line }] = positionsIn(`at ${printed}:12: error`, files);
    assert.deepStrictEqual([path, line], ["src/main.py", 12]);
  }
});

test("a path of many directories costs no more than its length times that of the longest file's path", () => {
  let compared = 0;
  const files = new Proxy({}, {
    getOwnPropertyDescriptor: (_target, path) => { compared += path.length; return undefined; },
  });
  for (const length of [1024, 4096]) {
    compared = 0;
    const line = `/${"a/".repeat(length / 2 - 2)}a:1`;
    assert.deepStrictEqual(positionsIn(line, files), []);
    assert.ok(compared <= 256 * 512, `${compared} characters for a path of ${length}`);
  }
});
