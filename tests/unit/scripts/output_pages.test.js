// The pages of an archived output: the rows of all pages are the lines of the output, at whatever place pages begin.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { load } = require("./load.js");

const { OutputPages, Terminal } = load(["terminal.js", "output_pages.js"], ["OutputPages", "Terminal"]);
const BLOCK = 65536;

// A stream of some bytes, which counts the ranges that are read of it.
const streamOf = (written, name = "stdout", arrivals = null, styles = []) => {
  const bytes = Buffer.from(written), newlines = [], ranges = [];
  for (let begin = 0; begin < bytes.length; begin += BLOCK) newlines.push(bytes.subarray(begin, begin + BLOCK).reduce((sum, byte) => sum + (byte === 10), 0));
  const read = async (begin, end) => { ranges.push([begin, end]); return new Uint8Array(bytes.subarray(begin, end)); };
  return Object.assign(OutputPages.stream(name, { size: bytes.length, block_bytes: BLOCK, newlines, styles, arrivals }, read), { ranges });
};

const allRows = async (stream, order = (pages) => pages) => {
  const found = new Map();
  for (const page of order([...Array(stream.pageCount).keys()])) found.set(page, await stream.rows(page));
  return [...found.keys()].sort((one, other) => one - other).flatMap((page) => found.get(page));
};

let seed = 3;
const random = (bound) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor((seed / 2147483648) * bound); };

const OUTPUTS = {
  "short lines": () => Array.from({ length: 12000 }, (_none, place) => `line ${place}`).join("\n"),
  "empty lines": () => "\n".repeat(70000),
  "lines of any length below the cut": () => Array.from({ length: 60 }, () => "x".repeat(random(15000))).join("\n"),
  "lines of letters of several bytes": () => Array.from({ length: 3000 }, () => "é中\u{1f469}".repeat(random(30))).join("\n"),
  "lines that end where blocks do": () => `${"x".repeat(BLOCK - 1)}\n${"y".repeat(16000)}\n`.repeat(1) + `${"z".repeat(49535)}\n`.repeat(4),
  "one line": () => "one\n",
};

for (const [name, make] of Object.entries(OUTPUTS)) {
  test(`${name} are numbered rows`, async () => {
    const written = make(), expected = written.split("\n");
    if (expected[expected.length - 1] === "") expected.pop();
    for (const order of [(pages) => pages, (pages) => pages.reverse()]) {
      const rows = await allRows(streamOf(written), order);
      const lines = [];
      for (const row of rows) {
        if (row.continues) lines[lines.length - 1] += row.text;
        else lines.push(row.text);
        assert.equal(row.line, lines.length);
      }
      assert.deepEqual(lines, expected);
    }
  });
}

test("a line that is longer than blocks has rows of bounded length, whole characters and no gap", async () => {
  for (const unit of ["é", "中", "\u{1f469}", "x"]) {
    const written = `first\n${unit.repeat(50001)}\nlast`;
    const rows = await allRows(streamOf(written));
    assert.ok(rows.every((row) => row.end - row.begin <= 2 * 16384 + 3));
    assert.equal(rows.filter((row) => row.line === 2).map((row) => row.text).join(""), unit.repeat(50001));
    assert.deepEqual(rows.filter((row) => !row.continues).map((row) => row.line), [1, 2, 3]);
    rows.slice(1).forEach((row, place) => assert.equal(row.begin, rows[place].end));
  }
});

test("bytes that are not UTF-8 are replaced, wherever blocks begin", async () => {
  const bytes = Buffer.alloc(3 * BLOCK, Buffer.from([0xe4, 0xb8, 0x0a, 0x80, 0x80, 0xff, 0x41]));
  const rows = await allRows(streamOf(bytes));
  const expected = new TextDecoder().decode(bytes).split("\n");
  assert.deepEqual(rows.map((row) => row.text), expected);
});

test("a progress that never ends its line is its last state", async () => {
  const steps = Array.from({ length: 20000 }, (_none, step) => `\rstep ${String(step).padStart(6, "0")}`).join("");
  const rows = await allRows(streamOf(`begin\n${steps}\nend\r\n`));
  assert.deepEqual(rows.map(({ line, text, continues }) => [line, text, continues]), [[1, "begin", false], [2, "step 019999", false], [3, "end", false]]);
});

test("a long line before one with a carriage return is shown", async () => {
  const written = `a\rb${"x".repeat(20000)}\r\n${"y".repeat(40000)}\r\n`;
  const rows = await allRows(streamOf(written));
  assert.equal(rows.filter((row) => row.line === 1).map((row) => row.text).join(""), `b${"x".repeat(20000)}`);
  assert.equal(rows.filter((row) => row.line === 2).map((row) => row.text).join(""), "y".repeat(40000));
});

test("a colour goes on over the beginning of a page", async () => {
  const written = `${"x".repeat(BLOCK - 30)}\n\u001b[31mred\n${"still red\n".repeat(5000)}`;
  const rows = await allRows(streamOf(written), (pages) => pages.reverse());
  const second = rows.find((row) => row.begin >= BLOCK);
  assert.deepEqual(second.runs.map(([, style]) => Terminal.classes(style)), ["fg-1"]);
});

test("a colour that was set long before a page is known there", async () => {
  const written = `\u001b[1;31mred\n${"still red\n".repeat(30000)}`;
  const out = streamOf(written, "stdout", null, ["", ...Array(4).fill("1;31")]);
  const rows = await out.rows(3);
  assert.deepEqual([...new Set(rows.map(({ runs }) => runs.map(([, style]) => Terminal.classes(style)).join()))], ["bold fg-1"]);
});

// A program's output that comes in parts of any size, and the same once it is archived.
const grown = (written, sizeAt) => {
  const bytes = Buffer.from(written), output = OutputPages.growing(["stdout", "stderr"]);
  for (let place = 0, size; place < bytes.length; place += size) {
    size = sizeAt(place);
    output.append("stdout", new Uint8Array(bytes.subarray(place, place + size)), place);
  }
  return output;
};

for (const [name, make] of Object.entries(OUTPUTS)) {
  test(`${name} are the same rows while they come`, async () => {
    const written = make(), parts = (rows) => rows.map(({ line, text, begin, end, continues }) => [line, text, begin, end, continues]);
    const { streams } = grown(written, () => 1 + random(40000));
    assert.deepEqual(parts(await allRows(streams.stdout)), parts(await allRows(streamOf(written))));
  });
}

// Parts of a few bytes for 64 before and after the beginning of each block, and one part for those between.
const smallWhereBlocksMeet = (place) => {
  const inBlock = place % BLOCK, isNear = inBlock < 64 || inBlock >= BLOCK - 64;
  return isNear ? 1 + random(3) : BLOCK - 64 - inBlock;
};

test("a colour is known at the beginning of each page of what comes, however it comes", async () => {
  for (const before of [10, ...Array.from({ length: 10 }, (_none, place) => BLOCK - 8 + place)]) {
    const written = `${"x".repeat(before)}\u001b[1;31m${"still red\n".repeat(30000)}`;
    const { stdout } = grown(written, smallWhereBlocksMeet).streams;
    for (const page of [2, 3, 4]) {
      const rows = await stdout.rows(page);
      assert.deepEqual([...new Set(rows.map(({ runs }) => runs.map(([, style]) => Terminal.classes(style)).join()))], ["bold fg-1"]);
    }
  }
});

test("what comes is in its order, with its times, and without numbers once something is missing", async () => {
  const output = OutputPages.growing(["stdout", "stderr"]), bytes = (text) => new TextEncoder().encode(text);
  output.append("stdout", bytes("one\n"), 1000);
  output.append("stderr", bytes("two\n"), 1001);
  output.append("stdout", bytes("thr"), 1500);
  const early = output.pages(["stdout", "stderr"]), lines = async (pages) => (await Promise.all(pages.pages.map((_page, place) => pages.rows(place)))).flat();
  assert.deepEqual((await lines(early)).map(({ text, at }) => [text, at]), [["one", 1000], ["two", 1001], ["thr", 1500]]);
  output.append("stdout", bytes("ee\n"), 1501);
  output.streams.stdout.skip();
  output.append("stdout", bytes("five\n"), undefined);
  const late = output.pages(["stdout", "stderr"]);
  assert.deepEqual((await lines(late)).map(({ text, line }) => [text, line]), [["one", 1], ["two", 1], ["three", 2], ["five", NaN]]);
  assert.deepEqual(await late.locate({ stream: "stdout", begin: 4 }), { page: 2, place: 0 });
});

test("the marks of what comes are bounded", async () => {
  const output = OutputPages.growing(["stdout", "stderr"]), line = new TextEncoder().encode("line\n");
  for (let number = 0; number < 50000; number += 1) output.append(number % 2 ? "stdout" : "stderr", line, number * 5);
  const { stdout, stderr } = output.streams;
  assert.ok(stdout.marks.length <= 10000 && stdout.marks.length === stderr.marks.length);
  assert.equal(stdout.marks[stdout.marks.length - 1][1], stdout.size);
  const rows = await allRows(stdout);
  assert.equal(rows.length, 25000);
  assert.ok(rows.every(({ at }, place) => at >= place * 10));
});

test("a sequence after the last newline is no row", async () => {
  assert.equal((await allRows(streamOf("red\n\u001b[0m"))).length, 1);
});

test("a line is found by its number", async () => {
  const out = streamOf(Array.from({ length: 50000 }, (_none, place) => `out ${place + 1}\n`).join(""));
  const err = streamOf(`${"x".repeat(BLOCK - 1)}\nsecond\n${"y".repeat(90000)}\nfourth`, "stderr");
  const pages = new OutputPages([out, err]);
  for (const line of [1, 2, 7000, 49999, 50000]) {
    const { page, place } = await pages.find("stdout", line);
    assert.equal((await pages.rows(page))[place].text, `out ${line}`);
  }
  for (const [line, begin] of [[2, "second"], [3, "yyy"], [4, "fourth"]]) {
    const { page, place } = await pages.find("stderr", line);
    const row = (await pages.rows(page))[place];
    assert.ok(row.text.startsWith(begin) && row.stream === "stderr");
  }
  assert.equal(await pages.find("stdout", 50001), null);
  assert.equal(await pages.find("stderr", 99), null);
  assert.equal(await pages.find("other", 1), null);
});

test("places are those in all streams together", async () => {
  const pages = new OutputPages([streamOf("x\n".repeat(BLOCK)), streamOf("", "stderr"), streamOf("y\n".repeat(BLOCK), "other")]);
  assert.equal(pages.size, 4 * BLOCK);
  for (const [byte, page] of [[0, 0], [BLOCK, 1], [2 * BLOCK, 2], [4 * BLOCK - 1, 3], [9 * BLOCK, 3], [-5, 0]]) assert.equal(pages.pageAt(byte), page);
  const [row] = await pages.rows(2);
  assert.equal(pages.begin(row, 2), 2 * BLOCK);
});

// Two streams that came by turns: each time a second later, and some of the one and some of the other.
const turns = (lines) => {
  const out = lines.map((line) => `out ${line}\n`), err = lines.map((line) => `err ${line}\n`), marks = { stdout: [], stderr: [] };
  let [came, failed] = [0, 0];
  lines.forEach((_line, place) => {
    for (const [first, second] of [[out[place].length, 0], [0, err[place].length]]) {
      came += first; failed += second;
      marks.stdout.push([marks.stdout.length * 1000, came]);
      marks.stderr.push([marks.stderr.length * 1000, failed]);
    }
  });
  const begin = "2026-01-01T00:00:00Z";
  return [streamOf(out.join(""), "stdout", { begin, marks: marks.stdout }), streamOf(err.join(""), "stderr", { begin, marks: marks.stderr })];
};

test("two streams are in the order in which they came, with their times", async () => {
  const lines = Array.from({ length: 4000 }, (_none, place) => `${place + 1} ${"x".repeat(40)}`);
  const pages = new OutputPages(turns(lines));
  const rows = [];
  let before = -1;
  for (let page = 0; page < pages.pages.length; page += 1) {
    for (const row of await pages.rows(page)) {
      assert.ok(pages.begin(row, page) > before);
      before = pages.begin(row, page);
      rows.push(row);
    }
  }
  assert.deepEqual(rows.map(({ text }) => text), lines.flatMap((line) => [`out ${line}`, `err ${line}`]));
  assert.deepEqual(rows.map(({ at }) => at), rows.map((_row, place) => Date.UTC(2026, 0, 1) + place * 1000));
  for (const [name, line] of [["stderr", 1], ["stdout", 3999], ["stderr", 2000]]) {
    const { page, place } = await pages.find(name, line);
    const row = (await pages.rows(page))[place];
    assert.deepEqual([row.stream, row.line], [name, line]);
    assert.equal(pages.pageAt(pages.begin(row, page)), page);
  }
});

test("what came after the last time follows, without one", async () => {
  const [out, err] = turns(["1", "2"]);
  const more = streamOf("out 1\nout 2\nout 3\n", "stdout", { begin: "2026-01-01T00:00:00Z", marks: out.marks });
  const pages = new OutputPages([more, err]);
  const rows = (await Promise.all(pages.pages.map((_page, place) => pages.rows(place)))).flat();
  assert.deepEqual(rows.map(({ text }) => text), ["out 1", "err 1", "out 2", "err 2", "out 3"]);
  assert.equal(rows[4].at, null);
});

test("a large output is read by a few blocks, each once, and few are kept", async () => {
  const stream = streamOf(`${"0123456789".repeat(51)}\n`.repeat(1 << 12));  // 2 MiB
  await Promise.all([stream.rows(10), stream.rows(11), stream.rows(10)]);
  assert.deepEqual(stream.ranges, [[9 * BLOCK, 12 * BLOCK], [12 * BLOCK, 13 * BLOCK]]);
  for (let page = 0; page < stream.pageCount; page += 1) await stream.rows(page);
  assert.ok(stream.blocks.entries.size <= 24);
  assert.ok([...stream.pages.entries.values()].reduce((sum, rows) => sum + rows.length, 0) <= 70000);
  assert.ok(stream.ranges.length <= stream.pageCount + 2);
});

test("a range that could not be read is asked for again", async () => {
  const stream = streamOf("a\n");
  const { read } = stream;
  stream.read = async () => { throw new Error("away"); };
  await assert.rejects(stream.rows(0), /away/);
  stream.read = read;
  assert.equal((await stream.rows(0))[0].text, "a");
});

test("pages of hostile output take no longer", async () => {
  for (const unit of ["\u001b[", "\r", "x", "\u202e", "\u001b[31mx", "\n"]) {
    const stream = streamOf(unit.repeat(Math.floor((1 << 17) / unit.length)));
    const begun = process.cpuUsage().user;
    await allRows(stream);
    assert.ok(process.cpuUsage().user - begun < 10e6, JSON.stringify(unit));
  }
});
