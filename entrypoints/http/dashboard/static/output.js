// The output of a job: live while its program runs, then from the archive, with search, line links and copying.
"use strict";
(() => {
  const AGAIN_MS = 1000, ATTEMPTS = 3;
  const STREAMS = ["stdout", "stderr"];
  const COPIED_BYTES = 8 << 20, MAX_MATCHES = 1000;
  const GROW_MS = 250;
  const WRAP = "service-server-wrap", TIMES = "service-server-times";

  // The panels of running programs.
  const followers = new Set();

  const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const wait = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

  // Requests the API, and retries if the server is busy.
  const read = async (url, headers = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(url, { headers });
      if (response.ok) return response;
      if (attempt === ATTEMPTS || (response.status < 500 && response.status !== 429)) throw new Error(String(response.status));
      await wait(AGAIN_MS);
    }
  };

  // The lines that the URL names: `#stdout-L12`, `#stderr-L3-L7`.
  const addressed = () => {
    const found = /^#(stdout|stderr)-L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
    if (!found) return null;
    const [first, last] = [Number(found[2]), Number(found[3] || found[2])].sort((one, other) => one - other);
    return { stream: found[1], first, last };
  };
  const addressOf = ({ stream, first, last }) => `#${stream}-L${first}${last > first ? `-L${last}` : ""}`;

  // A search in an output, with the matching lines found so far.
  class Search {
    constructor(wanted, names, more) {
      Object.assign(this, { wanted, more, matches: [], place: -1, rest: names.map((name) => ({ name, from: 1 })) });
    }

    async load() {
      const [next] = this.rest;
      const { lines, next_line: from } = await this.more(this.wanted, next.name, next.from);
      for (const line of lines) this.matches.push({ stream: next.name, line });
      if (from === null) this.rest.shift();
      else next.from = from;
    }

    // Finds the first match at or after a line.
    async begin(at) {
      while (this.rest.length && this.matches.length < MAX_MATCHES) await this.load();
      const order = ({ stream, line }) => STREAMS.indexOf(stream) * 1e10 + line;
      const place = this.matches.findIndex((match) => !at || order(match) >= order(at));
      this.place = this.matches.length ? Math.max(place, 0) : -1;
    }

    async step(by) {
      if (!this.matches.length) return;
      let place = this.place + by;
      while (place >= this.matches.length && this.rest.length) await this.load();
      if (place >= this.matches.length) place = 0;
      this.place = place < 0 ? this.matches.length - 1 : place;
    }

    get match() { return this.matches[this.place]; }

    get summary() {
      if (!this.match) return text("no_matches");
      return text(this.rest.length ? "match_of_more" : "match_of", { place: this.place + 1, count: this.matches.length });
    }
  }

  class Panel {
    constructor(section) {
      this.section = section;
      this.job = section.dataset.follow;
      this.isOnJobPage = section.dataset.onJobPage !== undefined;
      this.part = (name) => section.querySelector(`[data-${name}]`);
      [this.box, this.note, this.streams, this.searched, this.found] = ["output", "note", "streams", "search", "found"].map(this.part);
      this.bind();
      if (section.dataset.archived === undefined) this.follow();
      else this.open().then(() => this.finish(this.isEmpty), (error) => this.follow(error.message === "404"));
    }

    get names() { return this.streams.value === "both" ? STREAMS : [this.streams.value]; }

    // Whether the output is live, and too large to have an element for every row.
    get isGrown() { return !this.archive && this.view instanceof ArchiveView; }

    get isEmpty() { return this.archive ? STREAMS.every((name) => !this.archive[name].size) : this.view.isEmpty; }

    say(sentence) { this.note.textContent = sentence; }

    bind() {
      const on = (name, event, act) => this.part(name).addEventListener(event, act);
      on("streams", "change", () => this.choose());
      on("search", "keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        this.search(event.shiftKey ? -1 : 1);
      });
      on("search", "input", () => { this.found.textContent = ""; if (!this.searched.value) this.forget(); });
      on("previous", "click", () => this.search(-1));
      on("next", "click", () => this.search(1));
      on("line", "keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        const line = Number(event.target.value);
        const stream = this.names.length > 1 ? this.view.firstVisible()?.stream || STREAMS[0] : this.names[0];
        if (line > 0) this.goTo({ stream, first: line, last: line }, true);
      });
      this.remember("wrap", WRAP, true, (isOn) => this.box.classList.toggle("unwrapped", !isOn));
      this.remember("times", TIMES, false, (isOn) => this.box.classList.toggle("timed", isOn));
      on("copy-output", "click", (event) => this.copy(event.target));
      on("to-end", "click", () => this.view.toEnd());
      this.box.addEventListener("click", (event) => {
        const number = event.target.closest("a.n");
        if (!number || !this.isOnJobPage || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        const [stream, line] = [number.hash.slice(1, 7), Number(number.dataset.n)], { marked } = this.view;
        const from = event.shiftKey && marked?.stream === stream ? marked.first : line;
        this.address({ stream, first: Math.min(from, line), last: Math.max(from, line) });
        this.view.setStop(number);
      });
      if (this.isOnJobPage) addEventListener("hashchange", () => this.goToAddress());
    }

    // A checkbox whose state the browser stores.
    remember(name, key, isOnAtFirst, act) {
      const box = this.part(name);
      const kept = stored.get(key);
      box.checked = kept === null ? isOnAtFirst : kept === "on";
      const change = () => (this.view ? this.view.kept(() => act(box.checked)) : act(box.checked));
      box.addEventListener("change", () => { stored.set(key, box.checked ? "on" : "off"); change(); });
      change();
    }

    show(view) {
      this.view?.close();
      this.view = view;
      const isLive = view instanceof LiveView;  // other views have only the selected streams
      for (const name of STREAMS) this.box.classList.toggle(`without-${name}`, isLive && !this.names.includes(name));
      view.onMoved = () => this.moved();
      if (this.query) view.highlight(this.query.wanted);
      this.moved();
    }

    moved() { this.part("to-end").hidden = !this.view.shown.length || this.view.isAtEnd; }

    get base() { return this.isOnJobPage ? "" : `/dashboard/jobs/${this.job}`; }

    // The archived output

    get streamUrl() { return `/api/jobs/${encodeURIComponent(this.job)}/output`; }

    url(name) { return `${this.streamUrl}/${name}`; }

    // Shows the archived output with a given line at the top, or its end if the line is null.
    async open(line = { line: 1 }) {
      const load = async (name) => {
        const index = await (await read(`${this.url(name)}/lines`)).json();
        const range = async (begin, end) => new Uint8Array(await (await read(this.url(name), { Range: `bytes=${begin}-${end - 1}` })).arrayBuffer());
        return [name, OutputPages.stream(name, index, range)];
      };
      this.archive = Object.fromEntries(await Promise.all(STREAMS.map(load)));
      this.box.setAttribute("role", "region");
      this.showArchive();
      if (!await this.arrive()) await this.showFrom(line);
      for (const part of this.section.querySelectorAll("[data-when-ended]")) { part.href = part.dataset.href; part.hidden = false; }
    }

    async showFrom(line) {
      const at = line?.stream && await this.view.pages.find(line.stream, line.line);
      if (at) await this.view.place(at);
      else await this.view.show(line ? 0 : this.view.pages.size);
    }

    showArchive() {
      const view = new ArchiveView(this.box, this.base, new OutputPages(this.names.map((name) => this.archive[name])));
      const sentence = text("cannot_load");
      this.part("times").closest("label").hidden = !view.pages.hasTimes;
      view.onFault = (error) => { if (error) this.say(sentence); else if (this.note.textContent === sentence) this.say(""); };
      this.show(view);
    }

    async choose() {
      const { marked } = this.view;
      this.forget();
      if (this.archive) {
        this.showArchive();
        this.view.mark(marked);
        await this.view.show(0);
      } else if (this.isGrown) {
        this.showGrown();
        this.view.mark(marked);
        await this.view.toEnd();
      } else {
        for (const name of STREAMS) this.box.classList.toggle(`without-${name}`, !this.names.includes(name));
        this.view.toEnd();
      }
    }

    // Lines and search

    address(lines) {
      history.pushState(null, "", addressOf(lines));
      this.reached = location.hash;
      this.view.mark(lines);
    }

    async goToAddress() {
      const lines = this.isOnJobPage ? addressed() : null;
      if (!lines) { this.view.mark(null); return false; }
      this.section.scrollIntoView({ block: "start" });
      return this.goTo(lines);
    }

    // Goes to the lines in the URL when a run ends, unless that was done already, because the reader may have moved on.
    async arrive() {
      if (this.reached !== location.hash) return this.goToAddress();
      this.view.mark(addressed());
      return false;
    }

    async goTo(lines, isChosen = false) {
      if (!this.names.includes(lines.stream)) { this.streams.value = "both"; await this.choose(); }
      if (isChosen && this.isOnJobPage) history.pushState(null, "", addressOf(lines));
      this.view.mark(lines);
      const row = await this.view.goTo(lines.stream, lines.first);
      this.say(row ? "" : text("no_such_line", { line: lines.first, stream: lines.stream }));
      if (row) { this.view.focusLine(row); this.reached = location.hash; }
      return Boolean(row);
    }

    forget() {
      this.query = null;
      this.found.textContent = "";
      this.view.highlight("");
    }

    async more(wanted, name, from) {
      if (this.isGrown) return this.view.find(wanted, name, from, MAX_MATCHES);
      if (!this.archive) return { lines: this.view.find(wanted, [name]).map(({ line }) => line), next_line: null };
      const query = new URLSearchParams({ text: wanted, from_line: from });
      return (await read(`${this.url(name)}/matches?${query}`)).json();
    }

    // One search at a time, however fast the key is pressed.
    search(by) {
      this.searching = (this.searching || Promise.resolve()).then(() => this.searchNow(by));
      return this.searching;
    }

    async searchNow(by) {
      const wanted = this.searched.value, isNew = this.query?.wanted !== wanted;
      if (!wanted) return this.forget();
      try {
        if (isNew || !(this.archive || this.isGrown)) {
          const from = isNew ? this.view.firstVisible() : this.query.match;
          this.query = new Search(wanted, this.names, (...of) => this.more(...of));
          await this.query.begin(from);
        }
        if (!isNew) await this.query.step(by);
        this.found.textContent = this.query.summary;
        this.view.highlight(wanted);
        const { match } = this.query;
        if (match) await this.view.goTo(match.stream, match.line, true);
      } catch { this.found.textContent = text("cannot_load"); }
    }

    async copy(button) {
      const label = button.textContent;
      try {
        const size = this.names.reduce((sum, name) => sum + (this.archive || this.written.streams)[name].size, 0);
        if (size > COPIED_BYTES) return this.say(text("too_large_to_copy"));
        const written = this.archive && this.names.filter((name) => this.archive[name].size);
        // A single stream is read directly; two streams are copied in the order in which they are shown.
        await copyText(await (written?.length === 1 ? this.shownText(written[0]) : this.view.copy(this.names)));
        button.textContent = text("copied");
        setTimeout(() => { button.textContent = label; }, 1500);
      } catch { this.say(text("not_copied")); }
    }

    // All of an archived stream, as it is shown.
    async shownText(name) {
      const terminal = new Terminal();
      terminal.write(await (await read(this.url(name))).text());
      const rest = terminal.isAtStart ? "" : terminal.line.text;
      return terminal.take().map((line) => `${line.text}\n`).join("") + rest;
    }

    // The output of a running program

    // For a job that has ended and whose log is gone, the events contain the part in its result.
    follow(isGone = false) {
      this.isGone = isGone;
      followers.add(this);
      if (!(this.view instanceof LiveView || this.isGrown)) this.restart();
      if (!document.hidden) this.connect();
    }

    // A browser opens six connections to a server for all tabs together, so a hidden page leaves its own to the others.
    turn() {
      this.source?.close();
      if (!document.hidden) this.connect();
    }

    leave() {
      followers.delete(this);
      this.source?.close();
    }

    connect() {
      const source = new EventSource(this.streamUrl);
      this.source = source;
      source.addEventListener("open", () => this.setLost(false));
      source.addEventListener("execution", (event) => this.begin(JSON.parse(event.data).execution_id));
      source.addEventListener("output", (event) => this.write(JSON.parse(event.data)));
      source.addEventListener("usage", (event) => {
        document.dispatchEvent(new CustomEvent("usage", { detail: { job: this.job, usage: JSON.parse(event.data) } }));
      });
      source.addEventListener("end", (event) => this.end(JSON.parse(event.data)));
      source.addEventListener("error", async () => {
        this.setLost(true);
        if (source.readyState !== EventSource.CLOSED) return;
        if (await this.isRefused()) return this.giveUp();
        await wait(AGAIN_MS);
        if (followers.has(this) && this.source === source && !document.hidden) this.connect();
      });
    }

    // Whether the service refuses the stream, and would refuse it again. Scripts do not learn why a stream was closed.
    async isRefused() {
      const asked = new AbortController();
      try {
        const { status } = await fetch(this.streamUrl, { signal: asked.signal });
        return status >= 400 && status < 500 && status !== 429;
      } catch { return false; } finally { asked.abort(); }
    }

    giveUp() {
      this.leave();
      this.setLost(false);
      this.say(text("output_refused"));
    }

    // A new connection to the same execution continues its output.
    begin(execution) {
      if (execution === this.execution) return;
      this.execution = execution;
      this.restart();
    }

    restart() {
      this.archive = null;
      this.box.setAttribute("role", "log");
      this.part("times").closest("label").hidden = false;
      this.show(new LiveView(this.box, this.base));
      this.written = OutputPages.growing(STREAMS);
      this.next = { stdout: 0, stderr: 0 };
      this.say("");
      this.forget();
      if (this.isOnJobPage) this.view.mark(addressed());
    }

    write(output) {
      const { stream } = output, known = this.next[stream];
      // Output that replaces other bytes cannot continue output that is shown; the log has the rest.
      if (output.exact === false && known) return void (this.view.isComplete = false);
      const whole = output.base64 === undefined ? new TextEncoder().encode(output.text) : bytesOf(output.base64);
      const offset = Math.max(output.offset, Math.min(known, output.offset + whole.length)), data = whole.subarray(offset - output.offset);
      if (!data.length) return;
      if (output.exact === false || offset > this.next[stream]) {
        this.written.streams[stream].skip();
        if (!this.isGrown) this.view.skip(stream);
      }
      if (output.exact === false) this.say(this.isGone ? text("log_gone") : text("head_and_tail"));
      else if (offset > this.next[stream]) this.say(text("output_skipped"));
      this.next[stream] = offset + data.length;
      this.written.append(stream, data, output.at && Date.parse(output.at));
      if (this.isGrown) return this.grow();
      this.view.write(stream, data, output.at);
      if (this.view.isLarge) this.turnToGrown();
    }

    // Shows a large live output like an archived one, with the part that has arrived.
    showGrown() {
      this.box.setAttribute("role", "region");
      this.show(new ArchiveView(this.box, this.base, this.written.pages(this.names)));
    }

    async turnToGrown() {
      const { isAtEnd, marked } = this.view, row = this.view.firstVisible();
      this.showGrown();
      const { view } = this, at = !isAtEnd && row && await view.pages.find(row.stream, row.line);
      view.mark(marked);
      if (at) await view.place(at);
      else await view.toEnd();
    }

    grow() {
      this.growing ||= setTimeout(() => {
        this.growing = null;
        if (this.isGrown) this.view.grow(this.written.pages(this.names));
      }, GROW_MS);
    }

    async end(status) {
      this.leave();
      if (this.isGrown) await this.view.grow(this.written.pages(this.names));
      else this.view.end();
      const { view, isEmpty } = this, { isAtEnd } = view, row = view.firstVisible();
      this.finish(isEmpty && Boolean(status.run_started_at), status);
      for (const part of this.section.querySelectorAll("[data-when-ended]")) {
        part.href = part.dataset.href;
        part.hidden = !status.log_key || this.isGone;
      }
      document.dispatchEvent(new CustomEvent("job-ended", { detail: status }));
      // Output that is not complete here, with its times, is read from the archive.
      if (!status.log_key || this.isGone || isEmpty || (view.isComplete && view.isTimed)) return void (await this.arrive());
      try {
        await this.open(isAtEnd || !row ? null : row);
        this.written = null;
        this.say("");
      } catch { this.archive = null; }
    }

    finish(isSilent, status = null) {
      const { section } = this, { hasCases } = section.dataset;
      section.dataset.ended = status ? status.status : "";
      if (hasCases === undefined && isSilent) this.say(text("no_output"));
      // Each case has its own output.
      if (hasCases !== undefined && this.isOnJobPage) section.hidden = this.isEmpty;
      for (const part of section.querySelectorAll("[data-while-running]")) part.hidden = true;
      const summary = section.querySelector("[data-summary]");
      if (summary && status) htmx.trigger(summary, "refresh");
    }

    setLost(isLost) { document.dispatchEvent(new CustomEvent("connection", { detail: { isLost } })); }
  }

  const showAll = (root) => {
    const found = [...root.querySelectorAll("[data-follow]")];
    if (root.matches && root.matches("[data-follow]")) found.push(root);
    for (const section of found) if (!section.panel) section.panel = new Panel(section);
  };

  document.addEventListener("DOMContentLoaded", () => showAll(document.body));
  document.addEventListener("htmx:load", (event) => {
    for (const panel of followers) if (!panel.section.isConnected) panel.leave();
    showAll(event.detail.elt);
  });
  document.addEventListener("visibilitychange", () => { for (const panel of followers) panel.turn(); });
})();
