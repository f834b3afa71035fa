// An archived output in pages: blocks of its bytes, fetched when they are viewed, as rows of styled text.
//
// A row is a line. A very long line has several rows, which begin at fixed places of the output, so any page can be built
// from its block and the two beside it, however large the output and its lines are.
"use strict";
const OutputPages = (() => {
  const CUT_BYTES = 16384, KEPT_BLOCKS = 24, KEPT_ROWS = 70000;
  const NEWLINE = 10, RETURN = 13;
  const GROWN_BLOCK_BYTES = 65536, MARK_MS = 10, MAX_MARKS = 10000;
  const STYLES = /\u001b\[([0-9;:]{0,254})m/g, MAX_SEQUENCE = 256;
  const plain = new TextDecoder("latin1");
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  // The lowest number below a bound for which a condition holds, and then for all numbers above it; otherwise the bound.
  const lowest = (bound, isSo) => {
    let low = 0, high = bound;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isSo(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  // A map that removes the least recently used entries when their total size exceeds a limit.
  class Recent {
    constructor(room, size = () => 1) { Object.assign(this, { room, size, used: 0, entries: new Map() }); }

    get(key) {
      const entry = this.entries.get(key);
      if (entry !== undefined) { this.entries.delete(key); this.entries.set(key, entry); }
      return entry;
    }

    set(key, entry) {
      if (this.entries.has(key)) return;
      this.entries.set(key, entry);
      this.used += this.size(entry);
      for (const [oldest, old] of this.entries) {
        if (this.used <= this.room || oldest === key) return;
        this.used -= this.size(old);
        this.entries.delete(oldest);
      }
    }
  }

  class OutputStream {
    // `index` is the response of `…/lines`; `read(begin, end)` resolves to the bytes of a range.
    constructor(name, index, read) {
      Object.assign(this, { name, read, size: index.size, blockBytes: index.block_bytes });
      this.linesBefore = [0];
      this.begin = index.arrivals ? Date.parse(index.arrivals.begin) : null;
      this.marks = index.arrivals ? index.arrivals.marks : [];
      // The style at the beginning of each block.
      this.styles = (index.styles || []).map((parameters) => (parameters ? Terminal.styled(parameters) : 0));
      for (const newlines of index.newlines) this.linesBefore.push(this.linesBefore[this.linesBefore.length - 1] + newlines);
      this.blocks = new Recent(KEPT_BLOCKS);
      this.pages = new Recent(KEPT_ROWS, (rows) => rows.length + 1);
      this.loading = new Map();
    }

    get pageCount() { return this.linesBefore.length - 1; }

    get newlines() { return this.linesBefore[this.pageCount]; }

    // The time at which a byte had arrived, in milliseconds since 1970; null if it is unknown.
    timeOf(byte) {
      const place = lowest(this.marks.length, (mark) => this.marks[mark][1] > byte);
      return place < this.marks.length ? this.begin + this.marks[place][0] : null;
    }

    // The rows that begin in a block: `{ stream, line, begin, end, at, continues, text, runs }`.
    async rows(page) {
      let rows = this.pages.get(page);
      if (rows) return rows;
      const first = Math.max(page - 1, 0), bytes = await this.bytes(first, Math.min(page + 2, this.pageCount));
      rows = this.pages.get(page);
      if (!rows) this.pages.set(page, rows = this.rowsIn(page, bytes, first * this.blockBytes));
      return rows;
    }

    // The page on which a line begins; it may be the page before, if the line begins exactly with a page.
    pageOf(line) {
      return lowest(Math.max(this.pageCount - 1, 0), (page) => this.linesBefore[page + 1] >= line - 1);
    }

    async bytes(first, end) {
      const parts = [];
      for (let block = first; block < end; block += 1) parts.push(this.blocks.get(block) || this.loading.get(block) || null);
      for (let block = first; block < end; block += 1) {
        if (parts[block - first]) continue;
        let last = block;
        while (last + 1 < end && !parts[last + 1 - first]) last += 1;
        const run = this.load(block, last);
        for (let place = block; place <= last; place += 1) {
          const part = run.then((bytes) => bytes.subarray((place - block) * this.blockBytes, (place - block + 1) * this.blockBytes));
          this.loading.set(place, part);
          part.then((bytes) => this.blocks.set(place, bytes), () => {}).finally(() => this.loading.delete(place));
          parts[place - first] = part;
        }
      }
      return joined(await Promise.all(parts));
    }

    load(first, last) { return this.read(first * this.blockBytes, Math.min((last + 1) * this.blockBytes, this.size)); }

    rowsIn(page, bytes, offset) {
      const begin = page * this.blockBytes - offset, end = Math.min(begin + this.blockBytes, bytes.length);
      const starts = rowStarts(bytes, offset, Math.max(begin - 2 * CUT_BYTES - 4, 0), Math.min(end + 4 * CUT_BYTES, bytes.length));
      const startOf = (place) => (place < starts.length ? starts[place].at : bytes.length);
      const returns = (place) => {
        const found = bytes.subarray(startOf(place), startOf(place + 1)).indexOf(RETURN) + startOf(place);
        return found >= startOf(place) && bytes[found + 1] !== NEWLINE;
      };
      // When a line returns to its beginning repeatedly, a terminal shows only the last row.
      const isOver = (place) => Boolean(starts[place + 1]?.isCut) && returns(place) && returns(place + 1);
      const terminal = new Terminal();
      terminal.style = this.styles[offset / this.blockBytes] || 0;
      const decode = (from, to) => decoder.decode(bytes.subarray(from, to));
      const rows = [];
      let place = starts.findIndex(({ at }) => at >= begin);
      if (place < 0) return rows;
      terminal.write(decode(0, startOf(place)));
      terminal.finish();
      terminal.take();
      let line = this.linesBefore[page] + 1, counted = begin;
      for (; place < starts.length && startOf(place) < end; place += 1) {
        const at = startOf(place), next = startOf(place + 1);
        for (; counted < at; counted += 1) if (bytes[counted] === NEWLINE) line += 1;
        terminal.write(decode(at, next));
        terminal.finish();
        const [shown] = terminal.take();
        const continues = starts[place].isCut && !(place > 0 && isOver(place - 1));
        if (shown && !isOver(place)) rows.push({ text: shown.text, runs: shown.runs, stream: this.name, line, begin: offset + at, end: offset + next, at: this.timeOf(offset + at), continues });
      }
      return rows;
    }
  }

  // A stream of a running program: the browser stores its bytes in blocks, outside of the memory of scripts.
  class GrowingStream extends OutputStream {
    constructor(name) {
      super(name, { size: 0, block_bytes: GROWN_BLOCK_BYTES, newlines: [], arrivals: null });
      Object.assign(this, { stored: [], latest: new Uint8Array(GROWN_BLOCK_BYTES), filled: 0, style: 0, begun: "", begunIn: 0, numberedTo: Infinity, fresh: new Map() });
    }

    append(bytes) {
      this.fresh.clear();
      for (let place = 0; place < bytes.length;) {
        if (!this.filled) { this.linesBefore.push(this.newlines); this.styles.push(this.style); }
        const part = bytes.subarray(place, place + this.blockBytes - this.filled);
        this.latest.set(part, this.filled);
        this.filled += part.length;
        this.size += part.length;
        place += part.length;
        for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) this.linesBefore[this.pageCount] += 1;
        this.follow(plain.decode(part));
        if (this.filled === this.blockBytes) { this.stored.push(new Blob([this.latest])); this.filled = 0; }
      }
    }

    // Tracks the style. A sequence across the end of a block belongs to the block in which it begins.
    follow(part) {
      const page = this.pageCount - 1, text = this.begun + part, begun = this.begun.length;
      for (const found of text.matchAll(STYLES)) {
        this.style = Terminal.styled(found[1], this.style);
        if (found.index < begun && this.begunIn < page) this.styles[page] = this.style;
      }
      const last = text.lastIndexOf("\u001b");
      const isBegun = last >= 0 && text.length - last < MAX_SEQUENCE && /^.(\[[0-9;:]*)?$/s.test(text.slice(last));
      if (isBegun && last >= begun) this.begunIn = page;
      this.begun = isBegun ? text.slice(last) : "";
    }

    // Stops numbering lines, because output is missing.
    skip() { this.numberedTo = Math.min(this.numberedTo, this.size); }

    async rows(page) {
      // The rows of a page also need the next block.
      if (page + 2 <= this.stored.length) return super.rows(page);
      const size = this.size, rows = this.fresh.get(page);
      if (rows) return rows;
      const first = Math.max(page - 1, 0), made = this.rowsIn(page, await this.bytes(first, Math.min(page + 2, this.pageCount)), first * this.blockBytes);
      if (this.size === size && !this.fresh.has(page)) this.fresh.set(page, made);
      return this.fresh.get(page) || made;
    }

    rowsIn(page, bytes, offset) {
      const rows = super.rowsIn(page, bytes, offset);
      for (const row of rows) if (row.begin >= this.numberedTo) row.line = NaN;
      return rows;
    }

    async bytes(first, end) {
      const parts = [];
      for (let block = first; block < end; block += 1) parts.push(block < this.stored.length ? new Uint8Array(await this.stored[block].arrayBuffer()) : this.latest.slice(0, this.filled));
      return joined(parts);
    }
  }

  // The streams of a running program, and the order in which their output arrives.
  class GrowingOutput {
    constructor(names) {
      this.streams = Object.fromEntries(names.map((name) => [name, new GrowingStream(name)]));
      Object.assign(this, { every: MARK_MS, edition: 0, last: null });
    }

    // Appends bytes of a stream; `at` is the time of their arrival in milliseconds since 1970, if known.
    append(name, bytes, at) {
      const streams = Object.values(this.streams);
      this.streams[name].append(bytes);
      const isNew = this.last?.name !== name || !(at - this.last.at < this.every);
      if (isNew) this.last = { name, at };
      for (const stream of streams) {
        stream.begin = 0;
        if (isNew) stream.marks.push([at ?? NaN, stream.size]);
        else stream.marks[stream.marks.length - 1][1] = stream.size;
      }
      if (streams[0].marks.length > MAX_MARKS) this.thin(streams);
    }

    thin(streams) {
      for (const stream of streams) stream.marks = stream.marks.filter((_mark, place) => place % 2);
      this.every *= 2;
      this.edition += 1;
      this.last = null;
      // The times of lines depend on the marks.
      for (const stream of streams) { stream.pages = new Recent(KEPT_ROWS, (rows) => rows.length + 1); stream.fresh.clear(); }
    }

    // The current pages of some of the streams.
    pages(names) { return Object.assign(new OutputPages(names.map((name) => this.streams[name])), { edition: this.edition }); }
  }

  const joined = (parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    parts.reduce((place, part) => { whole.set(part, place); return place + part.length; }, 0);
    return whole;
  };

  // The places in `bytes` at which rows begin, from `begin` to before `end`; `bytes` begins at `offset` of the output. A row
  // begins after each newline, and at each multiple of CUT_BYTES that is preceded by as many bytes without one, at a whole
  // character.
  const rowStarts = (bytes, offset, begin, end) => {
    const starts = [];
    let last = begin === 0 ? (offset === 0 ? -1 : -Infinity) : bytes.lastIndexOf(NEWLINE, begin - 1);
    if (begin > 0 && last < 0) last = offset === 0 ? -1 : -Infinity;
    if (last === begin - 1) starts.push({ at: begin, isCut: false });
    const firstCut = (from) => Math.ceil((from + offset) / CUT_BYTES) * CUT_BYTES - offset;
    for (let place = begin; place < end;) {
      let newline = bytes.indexOf(NEWLINE, place);
      if (newline < 0 || newline >= end) newline = end;
      for (let cut = firstCut(place); cut <= newline && cut < end; cut += CUT_BYTES) {
        if (last >= cut - CUT_BYTES || cut + offset === 0) continue;
        let at = cut;
        while (at < cut + 3 && at < end && (bytes[at] & 0xc0) === 0x80) at += 1;
        if (at < newline) starts.push({ at, isCut: true });
      }
      last = newline;
      place = newline + 1;
      if (newline < end && place < end) starts.push({ at: place, isCut: false });
    }
    return starts;
  };

  // The parts of streams in order of arrival: `{ stream, from, to }`. Without marks, one stream follows the other.
  const partsOf = (streams) => {
    const parts = [], ends = new Map(streams.map((stream) => [stream, 0]));
    const add = (stream, to) => {
      const from = ends.get(stream), last = parts[parts.length - 1];
      if (to <= from) return;
      if (last && last.stream === stream) last.to = to;
      else parts.push({ stream, from, to });
      ends.set(stream, to);
    };
    const count = streams.length > 1 ? Math.min(...streams.map(({ marks }) => marks.length)) : 0;
    for (let mark = 0; mark < count; mark += 1) {
      for (const stream of streams) add(stream, Math.min(stream.marks[mark][1], stream.size));
    }
    for (const stream of streams) add(stream, stream.size);
    return parts;
  };

  class OutputPages {
    // The pages of streams, in order of arrival.
    constructor(streams) {
      Object.assign(this, { streams, pages: [], size: 0 });
      for (const { stream, from, to } of partsOf(streams)) {
        for (let page = Math.floor(from / stream.blockBytes); page * stream.blockBytes < to; page += 1) {
          const part = { stream, page, from: Math.max(from, page * stream.blockBytes), to: Math.min(to, (page + 1) * stream.blockBytes), begin: this.size };
          this.size += part.to - part.from;
          this.pages.push(part);
        }
      }
      this.sizes = new Map(streams.map(({ name, size }) => [name, size]));
      this.lineCount = streams.reduce((lines, stream) => lines + stream.newlines + 1, 0);
      this.hasTimes = streams.some(({ marks }) => marks.length);
    }

    static growing(names) { return new GrowingOutput(names); }

    static stream(name, index, read) { return new OutputStream(name, index, read); }

    // The rows that begin in a page, which is a block of a stream or a part of a block.
    async rows(place) {
      const { stream, page, from, to } = this.pages[place], rows = await stream.rows(page);
      if (to - from === stream.blockBytes) return rows;
      const [first, end] = [from, to].map((byte) => lowest(rows.length, (row) => rows[row].begin >= byte));
      return rows.slice(first, end);
    }

    // The position of a row of a page among all bytes.
    begin(row, place) { return this.pages[place].begin + row.begin - this.pages[place].from; }

    end(row, place) { return this.begin(row, place) + row.end - row.begin; }

    pageAt(byte) { return Math.max(lowest(this.pages.length, (place) => this.pages[place].begin > byte) - 1, 0); }

    // Finds the place of a row of an earlier edition; null if there is none.
    async locate({ stream, begin }) {
      const page = this.pages.findIndex((part) => part.stream.name === stream && part.from <= begin && begin < part.to);
      if (page < 0) return null;
      return { page, place: Math.max((await this.rows(page)).findLastIndex((row) => row.begin <= begin), 0) };
    }

    // Finds the row with which a line begins: its page and its place there; null if there is none.
    async find(name, line) {
      const stream = this.streams.find((each) => each.name === name);
      if (!stream) return null;
      for (let block = stream.pageOf(line); block < stream.pageCount; block += 1) {
        const rows = await stream.rows(block);
        const row = rows.find((each) => each.line === line && !each.continues);
        if (row) {
          const page = this.pages.findIndex((part) => part.stream === stream && part.from <= row.begin && row.begin < part.to);
          return { page, place: (await this.rows(page)).findIndex(({ begin }) => begin === row.begin) };
        }
        if (rows.length && rows[rows.length - 1].line > line) return null;
      }
      return null;
    }
  }

  return OutputPages;
})();
