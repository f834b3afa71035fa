import("node:path").then(path => console.log(path.default.sep, typeof require, module.exports === exports));
