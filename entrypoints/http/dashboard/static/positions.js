// The positions in code that compilers and tracebacks print: `positionsIn(line, files)` and `linksIn(line)`.
"use strict";
// What may follow a file's path: a line and perhaps a column. Each path is checked once, and these texts have a limited
// length, so the time is linear in the length of the line.
const POSITION_FORMS = [
  /:(\d{1,7})(?::(\d{1,5}))?(?!\d)/y,    // gcc, g++, go, javac, node, ruby, rustc: main.c:3:5
  /\((\d{1,7})(?:,(\d{1,5}))?\)/y,       // tsc, php's stack: main.ts(3,5)
  /: line (\d{1,7})(?!\d)/y,             // bash: main.sh: line 3
  /",? line (\d{1,7})(?!\d)/y,           // python: File "main.py", line 3
  /(?: on)? line (\d{1,7})(?!\d)/y,      // php, perl: in main.php on line 3, at main.pl line 3
];
// A path in quotes, as in Python, may have any character; other paths end at certain characters.
const QUOTED_PATH = /(?<=File ")[^"]+(?=", line \d)/g;
const PLAIN_PATH = /[^\s:()[\]{}<>"'`,;|=*]+/g;
// A system file never belongs to a job, even if a file of the job has the same name.
const SYSTEM_PATH = /^\/+(?:usr|lib\w*|opt|etc|proc)\//;
const MOST_POSITIONS = 100;
const LONGEST_PATH = 512;  // of a job's file

// Returns `{ begin, end, path, line, column }` for each position of a line of output in one of the files.
// Args: the line, without escape sequences; an object whose keys are the paths of the files.
const positionsIn = (() => {
  const namesOf = new WeakMap();

  // The path for each name that only one file has, because compilers and Java stack traces omit directories.
  const byName = (files) => {
    if (!namesOf.has(files)) {
      const names = new Map();
      for (const path of Object.keys(files)) {
        const name = path.slice(path.lastIndexOf("/") + 1);
        names.set(name, names.has(name) && files[names.get(name)] !== files[path] ? null : path);
      }
      namesOf.set(files, names);
    }
    return namesOf.get(files);
  };

  const resolve = (printed, files) => {
    if (SYSTEM_PATH.test(printed)) return null;
    let path = printed.replace(/^(?:\.\/|\/+)/, "");
    for (;;) {
      if (path.length <= LONGEST_PATH && Object.hasOwn(files, path)) return path;
      const slash = path.indexOf("/");
      if (slash < 0) break;
      if (!printed.startsWith("/")) return null;
      path = path.slice(slash + 1);
    }
    return byName(files).get(path) || null;
  };

  return (line, files) => {
    const found = [];
    for (const form of [QUOTED_PATH, PLAIN_PATH]) {
      for (const { 0: printed, index } of line.matchAll(form)) {
        if (found.length >= MOST_POSITIONS) break;
        for (const following of POSITION_FORMS) {
          following.lastIndex = index + printed.length;
          const position = following.exec(line);
          if (!position) continue;
          const path = printed.length <= 4096 ? resolve(printed, files) : null;
          const end = following.lastIndex;
          if (path === null || found.some((other) => other.begin < end && index < other.end)) break;
          found.push({ begin: index, end, path, line: Number(position[1]), column: position[2] ? Number(position[2]) : null });
          break;
        }
      }
    }
    return found.sort((one, other) => one.begin - other.begin);
  };
})();

// Returns `{ begin, end, href, path, line, column }` for each position in a line of output that is in the page's code.
// The element with `data-code-files` has an object that maps paths to links, to which a line number is appended.
const linksIn = (() => {
  const read = new WeakMap();
  return (line) => {
    const element = document.querySelector("[data-code-files]");
    if (!element) return [];
    if (!read.has(element)) read.set(element, JSON.parse(element.dataset.codeFiles));
    const files = read.get(element);
    return positionsIn(line, files).map((position) => ({ ...position, href: `${files[position.path]}${position.line}` }));
  };
})();
