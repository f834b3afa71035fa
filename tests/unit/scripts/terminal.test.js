// The terminal of the pages: what it shows, and that no output makes it slow or stops it.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { load } = require("./load.js");

const { Terminal } = load(["terminal.js"], ["Terminal"]);
const MEGABYTES = 1;

// The lines of a text that comes in one part or in several: text, then each place with the classes from it on.
const lines = (parts, maxColumns) => {
  const terminal = new Terminal(maxColumns);
  for (const part of [parts].flat()) terminal.write(part);
  terminal.finish();
  return terminal.take().map(({ text, runs }) => [text, ...runs.map(([place, style]) => `${place} ${Terminal.classes(style)}`)].join("|"));
};

const SHOWN = {
  "plain text is lines of text": ["one\ntwo\n\nlast", ["one", "two", "", "last"]],
  "an output that ends with a newline has no line after it": ["one\n", ["one"]],
  "nothing is no line": ["", []],
  "a carriage return begins the line anew": ["  1 %\r 50 %\r100 %\n", ["100 %"]],
  "a shorter text leaves the rest of the longer one": ["abcdef\rxy", ["xycdef"]],
  "a line may end with both": ["one\r\ntwo\r\n", ["one", "two"]],
  "a backspace goes back by a character, and not beyond the beginning": ["abd\bc\n\b\bx", ["abc", "x"]],
  "the rest of a line is erased": ["abcdef\rab\u001b[K", ["ab"]],
  "a line is erased up to the column": ["abcdef\b\b\u001b[1K", ["     f"]],
  "a whole line is erased, and the column stays": ["abc\u001b[2Kd\r\u001b[2Ke", ["e"]],
  "an erased line has nothing left of it": ["abc\u001b[2K", [""]],
  "a tab stays one where nothing is written over it": ["a\tb\r\tc", ["a\tc"]],
  "a tab is spaces where something is": ["a\tb\rabcdx", ["abcdx   b"]],
  "a tab that is cut in the middle is spaces": ["a\tb\rabc\u001b[K", ["abc"]],
  "a tab that is erased in the middle is spaces": ["a\tb\rab\u001b[1K", ["        b"]],
  "colours last until they are reset": ["\u001b[31ma\nb\u001b[0mc\u001b[92md\u001b[me", ["a|0 fg-1", "bcd".concat("e|0 fg-1|1 |2 fg-10|3 ")]],
  "weights and lines are flags that end alone": [
    "\u001b[1;2;3;4;9ma\u001b[22mb\u001b[23;24mc\u001b[29md", ["abcd|0 bold dim italic underlined struck|1 italic underlined struck|2 struck|3 "],
  ],
  "a background is a class of its own": ["\u001b[30;107mx\u001b[49my\u001b[39mz", ["xyz|0 fg-0 bg-15|1 fg-0|2 "]],
  "colours are reversed": ["\u001b[7ma\u001b[31mb\u001b[44mc\u001b[27md", ["abcd|0 reversed|1 bg-1|2 fg-4 bg-1|3 fg-1 bg-4"]],
  "a colour of 256 is the nearest of sixteen": ["\u001b[38;5;9ma\u001b[38;5;196mb\u001b[38;5;22mc\u001b[38;5;244md\u001b[48;5;21me", ["abcde|0 fg-9|2 fg-2|3 fg-8|4 fg-8 bg-12"]],
  "a true colour is the nearest of sixteen": [
    "\u001b[38;2;250;10;10ma\u001b[38;2;10;10;10mb\u001b[38:2::0:128:128mc\u001b[38:5:3md\u001b[48;2;255;255;255me",
    ["abcde|0 fg-9|1 fg-0|2 fg-6|3 fg-3|4 fg-3 bg-15"],
  ],
  "a colour that is none changes nothing": ["\u001b[38;5;256ma\u001b[38;2;1;2mb\u001b[38;9mc\u001b[38md\u001b[58;5;1;3me", ["abcde|4 italic"]],
  "codes after a colour's numbers count": ["\u001b[38;5;1;48;2;0;0;255;1mx", ["x|0 bold fg-1 bg-12"]],
  "a curly line is a line, and none is none": ["\u001b[4:3ma\u001b[4:0mb", ["ab|0 underlined|1 "]],
  "hidden text is shown": ["\u001b[8mseen\u001b[5m!", ["seen!"]],
  "other sequences are dropped": ["a\u001b[2J\u001b[1;1H\u001b[?25l\u001b[>4;2m\u001b[1 q\u001b[5nb\u001bcc\u001b(Bd\u001b7e\u001b#8f", ["abcdef"]],
  "titles and addresses of links are dropped": ["\u001b]0;owned\u0007a\u001b]8;;https://example.com\u001b\\link\u001b]8;;\u001b\\\u001bPq#0\u001b\\b", ["alinkb"]],
  "a title that does not end ends with its line": ["\u001b]0;title\nnext", ["", "next"]],
  "a newline in a sequence is one": ["\u001b[3\n1mx", ["", "1mx"]],
  "a sequence that is given up by another one": ["\u001b[3\u001b[31mx\u001b[\u0018y", ["xy|0 fg-1"]],
  "control characters have names": ["\u0000\u0007\u007f\u009b1m", ["\u2400\u2407\u2421U+009B1m|0 control|9 "]],
  "characters that turn the direction have names": ["a\u202eb\u2066c\u200fd\u061c", ["aU+202EbU+2066cU+200FdU+061C|1 control|7 |8 control|14 |15 control|21 |22 control"]],
  "separators of lines are none": ["a\u2028b", ["aU+2028b|1 control|7 "]],
  "an accent belongs to its letter": ["e\u0301e\u0301\b\bx", ["xe\u0301"]],
  "a picture of several characters is one": ["\u{1f469}\u200d\u{1f680}\bx", ["x"]],
  "markup is text": ["<script>alert(1)</script>&lt;", ["<script>alert(1)</script>&lt;"]],
};

for (const [name, [written, expected]] of Object.entries(SHOWN)) {
  test(name, () => assert.deepEqual(lines(written), expected));
  test(`${name}, in parts of a character`, () => assert.deepEqual(lines(Array.from(written)), expected));
}

test("a line that is too long goes on in another one, with its style", () => {
  assert.deepEqual(lines("\u001b[31mabcde\nf", 2), ["ab|0 fg-1", "cd|0 fg-1", "e|0 fg-1", "f|0 fg-1"]);
  const terminal = new Terminal(2);
  terminal.write("abcde\nf");
  terminal.finish();
  assert.deepEqual(terminal.take().map((line) => line.continues), [false, true, true, false]);
});

test("the line that has not ended is shown as it is by now", () => {
  const terminal = new Terminal();
  terminal.write("one\ntw");
  assert.deepEqual(terminal.take().map((line) => line.text), ["one"]);
  assert.equal(terminal.line.text, "tw");
  terminal.write("\rTW\u001b[");
  assert.equal(terminal.line.text, "TW");
});

test("every style has classes of a fixed set", () => {
  const fixed = new Set(["bold", "dim", "italic", "underlined", "struck", "reversed", "control"]);
  for (let number = 0; number < 16; number += 1) fixed.add(`fg-${number}`).add(`bg-${number}`);
  const terminal = new Terminal();
  let random = 7;
  for (let times = 0; times < 20000; times += 1) {
    random = (random * 1103515245 + 12345) % 2147483648;
    terminal.write(`\u001b[${random % 110};${random % 7};${(random >> 8) % 300};${(random >> 4) % 300}mx`);
  }
  terminal.finish();
  for (const [, style] of terminal.take()[0].runs) {
    for (const name of Terminal.classes(style).split(" ").filter(Boolean)) assert.ok(fixed.has(name), name);
  }
});

const HOSTILE = {
  "beginnings of sequences": ["", "\u001b["],
  escapes: ["", "\u001b"],
  "a sequence of digits": ["\u001b[", "1;"],
  colours: ["", "\u001b[38;2;1;2;3m"],
  "beginnings of titles": ["", "\u001b]"],
  "titles that do not end": ["", `\u001b]${"x".repeat(5000)}`],
  "a long line": ["", "x"],
  "empty lines": ["", "\n"],
  tabs: ["", "\t"],
  accents: ["", "\u0301"],
  "characters that turn the direction": ["", "\u202e"],
  "a long line that is written over": ["x".repeat(1 << 18), "\by"],
  "a long line that is erased to the column": ["x".repeat(1 << 18), "\u001b[1K"],
  "a long line that is erased again and again": ["x".repeat(1 << 18), "y\u001b[2K"],
  "a line that is filled and erased": ["", "\r\t\t\t\tx\u001b[2K"],
  "tabs that are opened": ["", "\t\bx"],
  "ends of a line that are cut": ["x".repeat(1 << 18), "\b\u001b[K"],
};

for (const [name, [before, repeated]] of Object.entries(HOSTILE)) {
  test(`${name}: the time is linear`, () => {
    const text = before + repeated.repeat((MEGABYTES << 20) / repeated.length);
    const begun = process.cpuUsage().user;
    lines(text, 1 << 21);
    assert.ok(process.cpuUsage().user - begun < 10e6);  // what is quadratic takes hours
  });
}
