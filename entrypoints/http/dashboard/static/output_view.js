// Rows of output in a scrolling box: all rows of a small live output, otherwise only the rows near the scroll position.
"use strict";
const [LiveView, ArchiveView] = (() => {
  const LIVE_CHARS = 200000, LIVE_WEIGHT = 200000, ROW_WEIGHT = 40, RUN_WEIGHT = 20;
  const LINE_CHARS = 16384;  // as long as a row of an archived output
  const WRAPPED_CHARS = 160;
  const STYLED_RUNS = 2000;
  const CHUNK_ROWS = 100, FOLLOWED_CHUNKS = 3, WINDOW_ROWS = 400, WINDOW_CHARS = 400000;
  const LARGEST_HEIGHT = 8e6;  // browsers limit heights to some tens of millions of pixels
  const AT_END_PX = 40;

  const folded = (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const weight = (row) => ROW_WEIGHT + RUN_WEIGHT * row.runs.length;

  const clock = (at) => {
    const date = new Date(at);
    return `${date.toLocaleTimeString("en-GB", { hour12: false })}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  };

  // The places of a text in another one, by the rules of the API's search: letters from A to Z match in either case.
  const placesOf = (text, wanted) => {
    const places = [];
    if (!wanted) return places;
    const searched = folded(text);
    for (let place = searched.indexOf(wanted); place >= 0 && places.length < STYLED_RUNS; place = searched.indexOf(wanted, place + wanted.length)) places.push(place);
    return places;
  };

  // The content of a row: text in elements for its styles, for links to the code and for search matches.
  const content = ({ text, runs }, wanted) => {
    const links = typeof linksIn === "function" ? linksIn(text) : [], found = placesOf(text, wanted);
    const styles = runs.slice(0, STYLED_RUNS);
    const edges = [0, text.length, ...styles.map(([place]) => place), ...links.flatMap(({ begin, end }) => [begin, end]), ...found.flatMap((place) => [place, place + wanted.length])];
    const places = [...new Set(edges)].sort((one, other) => one - other);
    const whole = element("span", { className: "c" });
    let style = 0, link = null, next = { style: 0, link: 0, found: 0 };
    for (let place = 0; place + 1 < places.length; place += 1) {
      const [begin, end] = [places[place], places[place + 1]];
      while (next.style < styles.length && styles[next.style][0] <= begin) style = styles[next.style++][1];
      while (next.link < links.length && links[next.link].end <= begin) next.link += 1;
      while (next.found < found.length && found[next.found] + wanted.length <= begin) next.found += 1;
      let piece = document.createTextNode(text.slice(begin, end));
      const wrap = (outer) => { outer.append(piece); piece = outer; };
      if (style) wrap(element("span", { className: Terminal.classes(style) }));
      if (next.found < found.length && found[next.found] <= begin) wrap(element("mark"));
      const over = links[next.link];
      if (over && over.begin <= begin) {
        if (!link || link.begin !== over.begin) whole.append((link = { begin: over.begin, element: element("a", { className: "position", href: over.href }) }).element);
        link.element.append(piece);
      } else whole.append(piece);
    }
    return whole;
  };

  // Rows in a box, each with its number as a link. Only one of the numbers is a tab stop.
  class View {
    constructor(box, address) {
      Object.assign(this, { box, address, wanted: "", marked: null, onMoved: () => {} });
      this.leaves = new AbortController();
      this.listen("scroll", () => this.moved());
      this.listen("keydown", (event) => this.step(event));
    }

    listen(name, act) { this.box.addEventListener(name, act, { signal: this.leaves.signal, passive: name === "scroll" }); }

    close() { this.leaves.abort(); }

    moved() { this.onMoved(); }

    get isAtEnd() {
      const { scrollHeight, scrollTop, clientHeight } = this.box;
      return scrollHeight - scrollTop - clientHeight < AT_END_PX;
    }

    make(row) {
      const { stream, line, continues } = row;
      const made = element("div", { className: `row ${stream}` });
      if (continues || !line) made.append(element("span", { className: "n" }));
      else {
        const number = element("a", { className: "n", href: `${this.address}#${stream}-L${line}`, tabIndex: -1, ariaLabel: text("line_of", { stream, line }) });
        number.dataset.n = line;
        made.append(number);
      }
      const at = element("span", { className: "at" });
      if (row.at) at.dataset.at = clock(row.at);
      made.append(at, content(row, this.wanted));
      if (this.isMarked(row)) made.classList.add("marked");
      row.element = made;
      return made;
    }

    isMarked({ stream, line }) {
      const { marked } = this;
      return Boolean(marked) && marked.stream === stream && marked.first <= line && line <= marked.last;
    }

    // The rows with elements in the box, in order.
    get shown() { return []; }

    redraw(rows = this.shown) { for (const row of rows) if (row.element) row.element.replaceWith(this.make(row)); this.setStop(); }

    mark(marked) {
      this.marked = marked;
      for (const row of this.shown) row.element.classList.toggle("marked", this.isMarked(row));
    }

    highlight(wanted) {
      if (this.wanted === folded(wanted)) return;
      this.wanted = folded(wanted);
      this.kept(() => this.redraw());
    }

    setStop(chosen = this.box.querySelector(".n[tabindex='0']") || this.firstVisible()?.element.querySelector("a.n")) {
      for (const other of this.box.querySelectorAll(".n[tabindex='0']")) if (other !== chosen) other.tabIndex = -1;
      if (chosen) chosen.tabIndex = 0;
    }

    step(event) {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
      if (!step || !event.target.matches("a.n") || event.ctrlKey || event.altKey || event.metaKey) return;
      const numbers = [...this.box.querySelectorAll("a.n")];
      const next = numbers[Math.min(Math.max(numbers.indexOf(event.target) + step, 0), numbers.length - 1)];
      event.preventDefault();
      this.setStop(next);
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    }

    firstVisible() {
      const { top } = this.box.getBoundingClientRect(), rows = this.shown;
      let low = 0, high = rows.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (rows[middle].element.getBoundingClientRect().bottom > top) high = middle;
        else low = middle + 1;
      }
      return rows[low] || null;
    }

    // Changes the box while its top row stays in place.
    kept(change) {
      const row = this.firstVisible(), before = row?.element.getBoundingClientRect().top;
      change();
      if (row?.element.isConnected) this.box.scrollTop += row.element.getBoundingClientRect().top - before;
    }

    // Scrolls to a row, or to the search match in it.
    bring(row, isMatch) {
      const match = isMatch && row.element.querySelector("mark");
      this.box.querySelector(".found")?.classList.remove("found");
      if (match) row.element.classList.add("found");
      const box = this.box.getBoundingClientRect(), place = (match || row.element).getBoundingClientRect();
      if (place.top < box.top || place.bottom > box.bottom) this.box.scrollTop += place.top - box.top - (box.height - Math.min(place.height, box.height)) / 2;
      if (match && (place.left < box.left + 96 || place.right > box.right)) this.box.scrollLeft += place.left - box.left - box.width / 2;
      this.setStop(row.element.querySelector("a.n") || undefined);
    }

    focusLine(row) { row.element.querySelector("a.n")?.focus({ preventScroll: true }); }
  }

  // The output of a running program, as long as it is small: the rows of both streams in order of arrival.
  class LiveView extends View {
    constructor(box, address) {
      super(box, address);
      box.replaceChildren();
      Object.assign(this, { rows: [], stale: new Set(), chars: 0, weight: 0, isComplete: true, isTimed: true, isDue: false });
      this.streams = Object.fromEntries(["stdout", "stderr"].map((name) => (
        [name, { terminal: new Terminal(LINE_CHARS), decoder: new TextDecoder("utf-8", { ignoreBOM: true }), count: 0, current: null }])));
    }

    get shown() { return this.rows.filter((row) => row.element?.offsetParent); }

    get isEmpty() { return !this.rows.length; }

    // Whether there is too much for a page to have an element for every row.
    get isLarge() { return this.chars > LIVE_CHARS || this.weight > LIVE_WEIGHT; }

    // Appends bytes of a stream; `at` is the time of their arrival, if known.
    write(name, bytes, at) {
      if (!at) this.isTimed = false;
      this.take(name, this.streams[name].decoder.decode(bytes, { stream: true }), at);
    }

    // Stops the line numbers of a stream with missing output.
    skip(name) {
      this.isComplete = false;
      this.streams[name].count = NaN;
    }

    end() {
      for (const [name, { terminal, decoder }] of Object.entries(this.streams)) {
        this.take(name, decoder.decode(), null);
        terminal.finish();
        this.take(name, "", null);
      }
      this.flush();
    }

    take(name, written, at) {
      const stream = this.streams[name];
      stream.terminal.write(written);
      for (const line of stream.terminal.take()) {
        this.put(name, line, at);
        stream.current = null;
      }
      if (!stream.terminal.isAtStart) {
        if (stream.current) this.stale.add(stream.current);
        else stream.current = this.put(name, { text: "", runs: [], continues: stream.terminal.continues }, at);
      }
      if (!this.isDue) setTimeout(() => this.flush(), 16);
      this.isDue = true;
    }

    put(name, line, at) {
      const stream = this.streams[name];
      if (stream.current) return this.fill(stream.current, line);
      if (!line.continues) stream.count += 1;
      const row = { stream: name, line: stream.count, at, text: "", runs: [], weight: 0 };
      this.rows.push(row);
      return this.fill(row, line);
    }

    fill(row, line) {
      this.chars += line.text.length - row.text.length;
      this.weight -= row.weight;
      Object.assign(row, line);
      this.weight += row.weight = weight(row);
      this.stale.add(row);
      return row;
    }

    flush() {
      this.isDue = false;
      if (this.leaves.signal.aborted) return;
      for (const { current, terminal } of Object.values(this.streams)) if (current && this.stale.has(current)) this.fill(current, terminal.line);
      const { isAtEnd } = this;
      const added = document.createDocumentFragment();
      for (const row of this.stale) {
        if (row.element) row.element.replaceWith(this.make(row));
        else added.append(this.make(row));
      }
      this.stale.clear();
      this.box.append(added);
      if (isAtEnd) this.toEnd();
      this.setStop();
      this.onMoved();
    }

    toEnd() { this.box.scrollTop = this.box.scrollHeight; }

    find(wanted, names) {
      const lines = new Map();
      for (const { stream, line, text } of this.rows) {
        if (line && names.includes(stream) && placesOf(text, folded(wanted)).length) lines.set(`${stream} ${line}`, { stream, line });
      }
      return [...lines.values()];
    }

    async goTo(stream, line, isMatch = false) {
      this.flush();
      const rows = this.rows.filter((row) => row.stream === stream && row.line === line && row.element);
      const row = (isMatch && rows.find(({ text }) => placesOf(text, this.wanted).length)) || rows[0];
      if (row) this.bring(row, isMatch);
      return row || null;
    }

    async copy(names) { return this.rows.filter(({ stream }) => names.includes(stream)).map(({ text, continues }, place) => (continues || !place ? text : `\n${text}`)).join(""); }
  }

  // A large output: the rows around the scroll position, between two spaces that stand for the rest.
  class ArchiveView extends View {
    constructor(box, address, pages) {
      super(box, address);
      Object.assign(this, { pages, grown: null, rows: [], isUpdating: false, isDue: false, onFault: () => {} });
      this.before = element("div", { className: "space" });
      this.after = element("div", { className: "space" });
      this.makeRoomForNumbers();
    }

    makeRoomForNumbers() { this.box.style.setProperty("--digits", Math.max(...this.pages.streams.map(({ newlines }) => `${newlines + 1}`.length))); }

    get shown() { return this.rows; }

    get isEmpty() { return !this.pages.size; }

    moved() { this.update(); super.moved(); }

    // The average height of a byte outside the window: lines have a height, and long ones are wrapped.
    get pixelsOfByte() {
      const { pages } = this, height = parseFloat(getComputedStyle(this.box).lineHeight);
      const rows = Math.max(pages.lineCount, pages.size / (this.box.classList.contains("unwrapped") ? LINE_CHARS : WRAPPED_CHARS));
      return Math.min(rows * height, LARGEST_HEIGHT) / pages.size;
    }

    // Moves the window to the scroll position. One update runs at a time, followed by another if the box was scrolled
    // meanwhile.
    async update() {
      this.isDue = true;
      if (this.isUpdating) return;
      this.isUpdating = true;
      try {
        while (this.isDue && !this.leaves.signal.aborted) { this.isDue = false; await this.adjust(); }
        this.onFault(null);
      } catch (error) { this.onFault(error); } finally { this.isUpdating = false; }
    }

    // Takes the new pages of a live output.
    grow(pages) {
      this.grown = pages;
      return this.update();
    }

    // Keeps the visible rows in place, unless the end is visible.
    async takeGrown() {
      const { isAtEnd, pages: before, grown: pages } = this;
      Object.assign(this, { pages, grown: null });
      this.makeRoomForNumbers();
      if (before.edition !== pages.edition && !isAtEnd) {
        const row = this.firstVisible(), at = row && await pages.locate(row);
        if (at) await this.place(at);
        return;
      }
      for (const row of this.rows.filter(({ stream, end }) => end === before.sizes.get(stream))) {
        const now = (await pages.rows(row.page)).find(({ begin }) => begin === row.begin);
        if (!now || now.end === row.end) continue;
        const { element: shown } = row;
        this.kept(() => shown.replaceWith(this.make(Object.assign(row, now))));
      }
      this.space();
      if (!isAtEnd) return;
      for (let times = 0; times < FOLLOWED_CHUNKS; times += 1) {
        if (await this.extend(1)) this.box.scrollTop = this.box.scrollHeight;
        else return void (this.box.scrollTop = this.box.scrollHeight);
      }
      await this.toEnd();
    }

    async adjust() {
      if (this.grown && this.rows.length) await this.takeGrown();
      const { box, rows, pages } = this;
      if (!rows.length) return;
      const top = this.before.offsetHeight, bottom = box.scrollHeight - this.after.offsetHeight, margin = Math.max(box.clientHeight, 400) * 1.5;
      const [seenFrom, seenTo] = [box.scrollTop, box.scrollTop + box.clientHeight];
      if (seenTo <= top || seenFrom >= bottom) {
        const byte = seenTo <= top ? seenFrom / this.pixelsOfByte : pages.size - (box.scrollHeight - seenTo) / this.pixelsOfByte;
        await this.show(byte <= box.clientHeight * 0.1 / this.pixelsOfByte ? 0 : seenTo >= box.scrollHeight - 1 ? pages.size : byte);
      } else if (seenFrom - top < margin && await this.extend(-1)) this.isDue = true;
      else if (bottom - seenTo < margin && await this.extend(1)) this.isDue = true;
    }

    // The next or previous row of a place, with its page and its place there; null if there is none.
    async neighbour({ page, place }, step) {
      let [rows, next] = [await this.pages.rows(page), place + step];
      while (!rows[next]) {
        page += step;
        if (!this.pages.pages[page]) return null;
        rows = await this.pages.rows(page);
        next = step > 0 ? 0 : rows.length - 1;
      }
      return { page, place: next, row: rows[next] };
    }

    async collect(from, step, count) {
      const found = [];
      for (let chars = 0, at = from; found.length < count && chars < WINDOW_CHARS / 4;) {
        at = await this.neighbour(at, step);
        if (!at) break;
        // Each row of the window is a separate object, so a row that is shown again is copied.
        found.push({ ...at.row, page: at.page, place: at.place });
        chars += at.row.text.length + weight(at.row);
      }
      return step > 0 ? found : found.reverse();
    }

    async extend(step) {
      const edge = step > 0 ? this.rows[this.rows.length - 1] : this.rows[0];
      const added = await this.collect(edge, step, CHUNK_ROWS);
      if (!added.length || this.leaves.signal.aborted) return false;
      this.kept(() => {
        const elements = added.map((row) => this.make(row));
        if (step > 0) this.after.before(...elements);
        else this.before.after(...elements);
        this.rows = step > 0 ? [...this.rows, ...added] : [...added, ...this.rows];
        this.shrink(-step);
        this.space();
      });
      this.setStop();
      return true;
    }

    // Removes invisible rows at one end while there are too many.
    shrink(step) {
      const { top, bottom, height } = this.box.getBoundingClientRect();
      let chars = this.rows.reduce((sum, row) => sum + row.text.length + weight(row), 0);
      while (this.rows.length > CHUNK_ROWS && (this.rows.length > WINDOW_ROWS || chars > WINDOW_CHARS)) {
        const row = step > 0 ? this.rows[this.rows.length - 1] : this.rows[0], place = row.element.getBoundingClientRect();
        if (step > 0 ? place.top < bottom + height : place.bottom > top - height) return;
        if (row.element.contains(document.activeElement)) this.box.focus({ preventScroll: true });
        row.element.remove();
        chars -= row.text.length + weight(row);
        this.rows.splice(step > 0 ? -1 : 0, 1);
      }
    }

    space() {
      const pixels = this.pixelsOfByte, { rows, pages } = this;
      const [first, last] = [rows[0], rows[rows.length - 1]];
      this.before.style.height = `${pages.begin(first, first.page) * pixels}px`;
      this.after.style.height = `${Math.max(pages.size - pages.end(last, last.page), 0) * pixels}px`;
    }

    // Shows the rows around a byte, with its row at the top. Until the first call, the box keeps its earlier content.
    async show(byte) {
      if (this.isEmpty) return this.box.replaceChildren();
      const page = this.pages.pageAt(Math.min(byte, this.pages.size - 1));
      const rows = await this.pages.rows(page);
      let place = rows.findLastIndex((row) => this.pages.begin(row, page) <= byte);
      if (byte >= this.pages.size) place = rows.length - 1;
      await this.place({ page, place: Math.max(place, 0) });
      if (byte >= this.pages.size) this.box.scrollTop = this.box.scrollHeight;
      else if (byte <= 0) this.box.scrollTop = 0;
    }

    // Builds a window around a row and scrolls the row to the top; returns the row, or null if there is none.
    async place(at) {
      const rest = await this.collect({ page: at.page, place: at.place - 1 }, 1, 2 * CHUNK_ROWS);
      const before = await this.collect(rest[0] || at, -1, CHUNK_ROWS);
      if (this.leaves.signal.aborted || !(rest.length + before.length)) return null;
      const hadFocus = this.box.contains(document.activeElement) && document.activeElement !== this.box;
      this.rows = [...before, ...rest];
      this.box.replaceChildren(this.before, ...this.rows.map((row) => this.make(row)), this.after);
      this.space();
      const row = rest[0] || before[before.length - 1];
      this.box.scrollTop += row.element.getBoundingClientRect().top - this.box.getBoundingClientRect().top;
      this.setStop();
      if (hadFocus) this.box.focus({ preventScroll: true });
      return row;
    }

    async toEnd() { await this.show(this.pages.size); }

    // The lines of a stream that contain a text, from a line number on, up to a maximum number.
    async find(wanted, name, from, most) {
      const lines = [];
      for (let place = 0; place < this.pages.pages.length; place += 1) {
        for (const { stream, line, text } of this.pages.pages[place].stream.name === name ? await this.pages.rows(place) : []) {
          if (stream !== name || !(line >= from) || line === lines[lines.length - 1] || !placesOf(text, folded(wanted)).length) continue;
          if (lines.length === most) return { lines, next_line: line };
          lines.push(line);
        }
      }
      return { lines, next_line: null };
    }

    async copy() {
      const texts = [];
      for (let page = 0; page < this.pages.pages.length; page += 1) {
        for (const { text, continues } of await this.pages.rows(page)) texts.push(continues || !texts.length ? text : `\n${text}`);
      }
      return texts.join("");
    }

    async goTo(stream, line, isMatch = false) {
      let at = await this.pages.find(stream, line);
      if (!at) return null;
      if (isMatch) at = await this.matchIn(at, line) || at;
      let row = this.rows.find((each) => each.page === at.page && each.place === at.place);
      if (!row) row = await this.place(at);
      if (row) this.bring(row, isMatch);
      await this.update();
      return row;
    }

    // The row of a long line that contains the match, if it is near the line's beginning.
    async matchIn(at, line) {
      for (let next = at, times = 0; next && times < 1000; next = await this.neighbour(next, 1), times += 1) {
        const row = next.row || (await this.pages.rows(next.page))[next.place];
        if (row.line !== line) return null;
        if (placesOf(row.text, this.wanted).length) return next;
      }
      return null;
    }
  }

  return [LiveView, ArchiveView];
})();
