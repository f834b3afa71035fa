// The line difference of two texts: `lineDifference(before, after)`; `differenceTable(...)` shows it.
"use strict";
// Lines that occur once in both texts are paired (patience diff), and the gaps between them are compared in the
// same way, up to a maximum depth. Small gaps without such lines are compared by their longest common subsequence;
// a large one is treated as one change. So the time is O(n log n) plus a constant, for any texts.
const lineDifference = (() => {
  const LEVELS = 8;
  const CELLS = 4000000;  // of the tables of all small gaps together

  const linesOf = (text) => {
    const lines = text.split("\n");
    if (lines[lines.length - 1] === "") lines.pop();
    return lines;
  };

  // Numbers for lines; equal lines have the same number.
  const numbered = (texts) => {
    const known = new Map();
    const number = (line) => {
      if (!known.has(line)) known.set(line, known.size);
      return known.get(line);
    };
    return { numbers: texts.map((lines) => Int32Array.from(lines, number)), count: known.size };
  };

  class Comparison {
    constructor(before, after) {
      const { numbers: [old, now], count } = numbered([before, after]);
      Object.assign(this, { old, now, cells: CELLS, pairs: [] });
      this.seen = [new Int32Array(count), new Int32Array(count)];
      this.at = new Int32Array(count);
    }

    compare(begin, end, from, to, level) {
      const { old, now } = this;
      while (begin < end && from < to && old[begin] === now[from]) this.pairs.push([begin++, from++]);
      let same = 0;
      while (begin < end && from < to && old[end - 1] === now[to - 1]) { end--; to--; same++; }
      if (begin < end && from < to) this.compareGap(begin, end, from, to, level);
      for (let place = 0; place < same; place++) this.pairs.push([end + place, to + place]);
    }

    compareGap(begin, end, from, to, level) {
      const anchors = level < LEVELS ? this.anchors(begin, end, from, to) : [];
      if (!anchors.length) return this.compareSmall(begin, end, from, to);
      for (const [line, other] of [...anchors, [end, to]]) {
        this.compare(begin, line, from, other, level + 1);
        if (line < end) this.pairs.push([line, other]);
        [begin, from] = [line + 1, other + 1];
      }
    }

    // The longest series of lines that occur once in both ranges and in the same order.
    anchors(begin, end, from, to) {
      const { old, now, seen: [inOld, inNow], at } = this;
      for (let line = begin; line < end; line++) inOld[old[line]]++;
      for (let line = from; line < to; line++) { inNow[now[line]]++; at[now[line]] = line; }
      const tops = [], previous = new Map();
      for (let line = begin; line < end; line++) {
        if (inOld[old[line]] !== 1 || inNow[old[line]] !== 1) continue;
        const pair = [line, at[old[line]]];
        let low = 0, high = tops.length;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (tops[middle][1] < pair[1]) low = middle + 1; else high = middle;
        }
        if (low) previous.set(pair, tops[low - 1]);
        tops[low] = pair;
      }
      for (let line = begin; line < end; line++) inOld[old[line]] = 0;
      for (let line = from; line < to; line++) inNow[now[line]] = 0;
      const series = [];
      for (let pair = tops[tops.length - 1]; pair; pair = previous.get(pair)) series.push(pair);
      return series.reverse();
    }

    compareSmall(begin, end, from, to) {
      const { old, now } = this;
      const height = end - begin, width = to - from, row = width + 1;
      if (height * width > this.cells) return;
      this.cells -= height * width;
      const lengths = new Uint16Array((height + 1) * row);
      for (let y = height - 1; y >= 0; y--) {
        for (let x = width - 1; x >= 0; x--) {
          lengths[y * row + x] = old[begin + y] === now[from + x]
            ? lengths[(y + 1) * row + x + 1] + 1
            : Math.max(lengths[(y + 1) * row + x], lengths[y * row + x + 1]);
        }
      }
      for (let y = 0, x = 0; y < height && x < width;) {
        if (old[begin + y] === now[from + x]) this.pairs.push([begin + y++, from + x++]);
        else if (lengths[(y + 1) * row + x] >= lengths[y * row + x + 1]) y++;
        else x++;
      }
    }
  }

  // Returns the lines of both texts, and the changes: lines [begin, end) of the first are lines [from, to) of the second.
  return (before, after) => {
    const old = linesOf(before), now = linesOf(after);
    const comparison = new Comparison(old, now);
    comparison.compare(0, old.length, 0, now.length, 0);
    const changes = [];
    let begin = 0, from = 0;
    for (const [line, other] of [...comparison.pairs, [old.length, now.length]]) {
      if (line > begin || other > from) changes.push({ begin, end: line, from, to: other });
      [begin, from] = [line + 1, other + 1];
    }
    return { before: old, after: now, changes };
  };
})();

// A table of the lines that differ and some lines around them; null if no line differs.
const differenceTable = (() => {
  const AROUND = 3;
  const MOST_ROWS = 2000;
  const MOST_CHARS = 2000;

  // The differing part of a line that replaces another one.
  const marked = (line, other) => {
    const most = Math.min(line.length, other.length);
    let begin = 0, rest = 0;
    while (begin < most && line[begin] === other[begin]) begin++;
    while (rest < most - begin && line[line.length - 1 - rest] === other[other.length - 1 - rest]) rest++;
    const isLow = (place) => /[\udc00-\udfff]/.test(line[place] || "");
    if (isLow(begin)) begin--;
    let end = line.length - rest;
    if (isLow(end)) end++;
    return [begin, end];
  };

  const shown = (line, other) => {
    const cell = element("td", { className: "line" });
    let [begin, end] = other === undefined ? [line.length, line.length] : marked(line, other);
    const first = other === undefined ? 0 : Math.max(Math.min(begin, line.length - MOST_CHARS), 0);
    const last = Math.min(first + MOST_CHARS, line.length);
    [begin, end] = [Math.min(begin, last), Math.min(end, last)];
    if (first) cell.append("\u2026");
    cell.append(inert(line.slice(first, begin)));
    if (end > begin) cell.append(element("mark", {}, inert(line.slice(begin, end))));
    cell.append(inert(line.slice(end, last)));
    if (last < line.length) cell.append("\u2026");
    return cell;
  };

  const row = (kind, sign, old, now, cell) => {
    const made = element("tr", { className: kind });
    made.append(element("td", { className: "n" }, old === null ? "" : `${old + 1}`), element("td", { className: "n" }, now === null ? "" : `${now + 1}`),
                element("td", { className: "sign" }, sign), cell);
    return made;
  };

  const skipped = (count) => {
    const cell = element("td", { className: "line" }, text("lines_unchanged", { count }));
    return row("skipped", "", null, null, cell);
  };

  return (before, after, label) => {
    const { before: old, after: now, changes } = lineDifference(before, after);
    if (!changes.length) return null;
    const rows = [];
    const same = (line, to, shift) => {
      for (; line < to; line++) rows.push(row("same", "", line, line + shift, shown(old[line])));
    };
    let line = 0, isWhole = true;
    for (const { begin, end, from, to } of changes) {
      if (rows.length > MOST_ROWS) { isWhole = false; break; }
      const shift = from - begin;
      if (line) same(line, Math.min(line + AROUND, begin), shift);
      const next = Math.max(begin - AROUND, line && Math.min(line + AROUND, begin));
      if (next > line + (line ? AROUND : 0)) rows.push(skipped(next - line - (line ? AROUND : 0)));
      same(next, begin, shift);
      const isPaired = end - begin === to - from;
      const lastOld = Math.min(end, begin + MOST_ROWS), lastNow = Math.min(to, from + MOST_ROWS);
      for (let at = begin; at < lastOld; at++) rows.push(row("removed", "\u2212", at, null, shown(old[at], isPaired ? now[at + shift] : undefined)));
      for (let at = from; at < lastNow; at++) rows.push(row("added", "+", null, at, shown(now[at], isPaired ? old[at - shift] : undefined)));
      if (lastOld < end || lastNow < to) { isWhole = false; break; }
      line = end;
    }
    if (isWhole) {
      const last = Math.min(line + AROUND, old.length);
      same(line, last, now.length - old.length);
      if (last < old.length) rows.push(skipped(old.length - last));
    } else {
      rows.push(row("skipped", "", null, null, element("td", { className: "line" }, text("lines_left_out"))));
    }
    const table = element("table", { className: "difference-lines" });
    const body = element("tbody");
    body.append(...rows);
    table.append(body);
    const region = element("div", { className: "difference" }, table);
    region.tabIndex = 0;
    region.setAttribute("role", "group");
    region.setAttribute("aria-label", label);
    return region;
  };
})();
