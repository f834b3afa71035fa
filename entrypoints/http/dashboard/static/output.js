// Follows what a program writes, and shows a bounded amount of it: the page stays light whatever comes.
"use strict";
(() => {
  const KEPT_CHARS = 200000;
  const PIECE_CHARS = 4000;
  const AGAIN_MS = 1000;

  class Screen {
    constructor(element) {
      this.element = element;
      this.pending = [];
      this.chars = 0;
      this.dropped = 0;
    }

    write(stream, written) {
      this.pending.push([stream, written]);
      if (this.pending.length === 1) setTimeout(() => this.flush(), 16);
    }

    clear() {
      this.element.replaceChildren();
      this.pending = [];
      this.chars = this.dropped = 0;
    }

    flush() {
      const element = this.element;
      const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
      for (const [stream, written] of this.pending.splice(0)) {
        for (let begin = 0; begin < written.length; begin += PIECE_CHARS) this.append(stream, written.slice(begin, begin + PIECE_CHARS));
      }
      while (this.chars > KEPT_CHARS && element.children.length > 1) {
        this.chars -= element.firstElementChild.textContent.length;
        this.dropped += element.firstElementChild.textContent.length;
        element.firstElementChild.remove();
      }
      if (isAtEnd) element.scrollTop = element.scrollHeight;
    }

    append(stream, written) {
      const shown = inert(written);
      const last = this.element.lastElementChild;
      this.chars += shown.length;
      if (last && last.className === stream && last.textContent.length < PIECE_CHARS) {
        last.firstChild.appendData(shown);
        return;
      }
      const piece = document.createElement("span");
      piece.className = stream;
      piece.append(document.createTextNode(shown));
      this.element.append(piece);
    }
  }

  const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

  class Follower {
    constructor(panel) {
      this.panel = panel;
      this.jobId = panel.dataset.follow;
      this.screen = new Screen(panel.querySelector("[data-output]"));
      this.note = panel.querySelector("[data-note]");
      this.decoders = {};
      this.next = {};
      this.connect();
    }

    connect() {
      const source = new EventSource(`/api/jobs/${this.jobId}/output`);
      this.source = source;
      source.addEventListener("open", () => this.setLost(false));
      source.addEventListener("execution", () => this.restart());
      source.addEventListener("output", (event) => this.write(JSON.parse(event.data)));
      source.addEventListener("end", (event) => this.end(JSON.parse(event.data)));
      source.addEventListener("error", () => {
        if (!this.panel.isConnected) return source.close();
        this.setLost(true);
        if (source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), AGAIN_MS);
      });
    }

    restart() {
      this.screen.clear();
      this.decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
      this.next = { stdout: 0, stderr: 0 };
      this.note.textContent = "";
    }

    write(output) {
      if (!this.panel.isConnected) return this.source.close();
      const { stream, offset } = output;
      const data = output.base64 === undefined ? new TextEncoder().encode(output.text) : bytes(output.base64);
      if (output.exact === false) this.say(text("head_and_tail"));
      else if (offset > this.next[stream]) this.say(text("output_skipped"));
      this.next[stream] = offset + data.length;
      this.screen.write(stream, this.decoders[stream].decode(data, { stream: true }));
    }

    end(status) {
      this.source.close();
      this.panel.dataset.ended = status.status;
      for (const stream of Object.keys(this.decoders)) {
        const rest = this.decoders[stream].decode();
        if (rest) this.screen.write(stream, rest);
      }
      const isEmpty = !this.screen.pending.length && !this.screen.chars;
      const { hasCases, onJobPage } = this.panel.dataset;
      if (hasCases === undefined && status.run_started_at && isEmpty) this.say(text("no_output"));
      // Each case has the output of its own.
      if (hasCases !== undefined && onJobPage !== undefined) this.panel.hidden = isEmpty;
      for (const part of this.panel.querySelectorAll("[data-when-ended]")) {
        part.href = part.dataset.href;
        part.hidden = !status.log_key;
      }
      for (const part of this.panel.querySelectorAll("[data-while-running]")) part.hidden = true;
      const summary = this.panel.querySelector("[data-summary]");
      if (summary) htmx.trigger(summary, "refresh");
      document.dispatchEvent(new CustomEvent("job-ended", { detail: status }));
    }

    say(sentence) { this.note.textContent = sentence; }

    setLost(isLost) {
      document.dispatchEvent(new CustomEvent("connection", { detail: { isLost } }));
    }
  }

  const followAll = (root) => {
    const found = [...root.querySelectorAll("[data-follow]")];
    if (root.matches && root.matches("[data-follow]")) found.push(root);
    for (const panel of found) if (!panel.follower) panel.follower = new Follower(panel);
  };

  document.addEventListener("DOMContentLoaded", () => followAll(document.body));
  document.addEventListener("htmx:load", (event) => followAll(event.detail.elt));
})();
