// Scripts of the pages outside of a browser.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const vm = require("node:vm");

const STATIC = join(__dirname, "../../../entrypoints/http/dashboard/static");

// Runs scripts in the order of a page, and returns the names that they declare.
exports.load = (files, names, globals = {}) => {
  const source = files.map((file) => readFileSync(join(STATIC, file), "utf8")).join("\n");
  const parameters = Object.keys(globals);
  return vm.compileFunction(`${source}\nreturn { ${names.join(", ")} };`, parameters)(...Object.values(globals));
};
