// Code with numbered lines, each of which can be linked to: `#L12`, `#L12-L20`, `#src/util.py:L12`.
"use strict";
(() => {
  // Each of the first lines has its own elements; the rest is plain text.
  const NUMBERED_LINES = 20000;
  // If there are more lines than this, they are laid out in chunks, when they come into view.
  const LAID_OUT_AT_ONCE = 1000;
  const CHUNK_LINES = 100;
  const LINE_PX = 20;
  const blocks = new Map();

  const fragment = (lines) => `#${lines.replace(/[^/:]+/g, encodeURIComponent)}`;

  class Block {
    constructor(pre) {
      this.pre = pre;
      this.details = pre.closest("details");
      this.rows = [];
      this.isLoaded = null;
      if (pre.dataset.href === undefined) this.show(pre.textContent);
      else this.details.addEventListener("toggle", () => { if (this.details.open) this.load(); });
    }

    // A file is loaded once, when it is first viewed.
    load() {
      this.isLoaded ||= this.fetch();
      return this.isLoaded;
    }

    async fetch() {
      if (this.pre.dataset.href === undefined) return;
      let content;
      try {
        const response = await fetch(this.pre.dataset.href);
        if (!response.ok) throw new Error(response.statusText);
        content = await response.text();
      } catch {
        this.isLoaded = null;
        content = null;
      }
      this.pre.hidden = false;
      if (content === null || content.includes("\u0000")) this.pre.textContent = text(content === null ? "cannot_load" : "binary_file");
      else this.show(inert(content));
    }

    show(content) {
      const { pre } = this;
      const lines = content.split("\n");
      if (lines[lines.length - 1] === "") lines.pop();
      pre.style.setProperty("--digits", `${lines.length}`.length);
      this.rows = lines.slice(0, NUMBERED_LINES).map((line, place) => this.row(line, place + 1));
      pre.replaceChildren(...this.chunks());
      if (lines.length > NUMBERED_LINES) pre.append(lines.slice(NUMBERED_LINES).join("\n"));
      this.setStop(0);
      this.highlight(content);
    }

    chunks() {
      const chunks = [];
      for (let first = 0; first < this.rows.length; first += CHUNK_LINES) {
        const chunk = element("span", { className: this.rows.length > LAID_OUT_AT_ONCE ? "late chunk" : "chunk" });
        chunk.append(...this.rows.slice(first, first + CHUNK_LINES));
        chunk.style.containIntrinsicBlockSize = `auto ${chunk.childElementCount * LINE_PX}px`;
        chunks.push(chunk);
      }
      return chunks;
    }

    row(line, number) {
      const row = element("span", { className: "row" });
      const link = element("a", { className: "n", href: `${fragment(this.pre.dataset.lines)}${number}`, textContent: number, tabIndex: -1 });
      row.append(link, element("span", { className: "c", textContent: `${line}\n` }));
      return row;
    }

    async highlight(content) {
      const lines = await highlightedLines(content, this.pre.dataset.language);
      if (!lines) return;
      this.pre.classList.add("cm-s-default");
      this.rows.forEach((row, place) => { if (lines[place].hasChildNodes()) row.lastChild.replaceChildren(lines[place], "\n"); });
    }

    // Only one line number is a tab stop; the arrow keys move between the numbers.
    setStop(place) {
      if (this.stop) this.stop.tabIndex = -1;
      this.stop = this.rows[place]?.firstChild;
      if (this.stop) this.stop.tabIndex = 0;
    }

    mark(first, last) {
      this.rows.slice(first - 1, last).forEach((row) => row.classList.add("marked"));
      this.setStop(first - 1);
    }
  }

  const addressed = () => {
    let address = "";
    try { address = decodeURIComponent(location.hash.slice(1)); } catch { return null; }
    const found = /^((?:.*:)?L)(\d{1,7})(?:-L?(\d{1,7}))?$/.exec(address);
    const block = found && blocks.get(found[1]);
    if (!block) return null;
    const [first, last] = [Number(found[2]), Number(found[3] || found[2])].sort((one, other) => one - other);
    return { block, first, last };
  };

  // Chunks above the row get their final height only when they are laid out, which takes a few frames.
  const bring = (row, block, frames = 4) => {
    row.scrollIntoView({ block });
    if (frames) requestAnimationFrame(() => bring(row, block, frames - 1));
  };

  const go = async (isClose = false) => {
    for (const row of document.querySelectorAll(".code .marked")) row.classList.remove("marked");
    const found = addressed();
    if (!found) return;
    const { block, first, last } = found;
    if (block.details) block.details.open = true;
    await block.load();
    block.mark(first, last);
    const row = block.rows[first - 1];
    if (!row) return;
    bring(row, isClose ? "nearest" : "center");
    row.firstChild.focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    const number = link.matches(".code .n");
    const from = addressed();
    if (number && event.shiftKey && from && from.block.pre.contains(link)) {
      event.preventDefault();
      const range = [from.first, Number(link.textContent)].sort((one, other) => one - other);
      history.replaceState(null, "", `${fragment(from.block.pre.dataset.lines)}${range[0]}-L${range[1]}`);
      go(true);
    } else if (link.hash === location.hash) {
      go(number);  // the hash does not change, so no event follows
    } else if (number) {
      event.preventDefault();
      history.pushState(null, "", link.hash);
      go(true);
    }
  });

  // The editor opens at the marked line.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#edit");
    const found = link && addressed();
    if (found && !found.block.details) link.hash = `#L${found.first}`;
  }, { capture: true });

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.(".code .n");
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity }[event.key];
    if (!link || !step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const block = [...blocks.values()].find(({ pre }) => pre.contains(link));
    const place = Math.min(Math.max(Number(link.textContent) - 1 + step, 0), block.rows.length - 1);
    block.setStop(place);
    block.stop.focus();
  });

  // Positions in the compiler's messages are links, as in the output.
  const link = (pre) => {
    const parts = [];
    for (const line of pre.textContent.split(/(?<=\n)/)) {
      let place = 0;
      for (const { begin, end, href } of linksIn(line)) {
        parts.push(line.slice(place, begin), element("a", { href, className: "position", textContent: line.slice(begin, end) }));
        place = end;
      }
      parts.push(line.slice(place));
    }
    pre.replaceChildren(...parts);
  };
  const linkAll = () => {
    for (const pre of document.querySelectorAll("[data-positions]")) {
      delete pre.dataset.positions;
      link(pre);
    }
  };
  document.addEventListener("htmx:load", linkAll);

  addEventListener("hashchange", () => go());
  document.addEventListener("DOMContentLoaded", () => {
    for (const pre of document.querySelectorAll("pre[data-lines]")) blocks.set(pre.dataset.lines, new Block(pre));
    linkAll();
    if (location.hash) go();
  });
})();
