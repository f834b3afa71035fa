// The last runs of this editor. Any two of them can be compared: their output side by side, and the difference.
"use strict";
(() => {
  const MAX_RUNS = 8;
  const MAX_OUTPUT_BYTES = 1000000;
  const STREAMS = ["stdout", "stderr"];
  const LABELS = { success: text("succeeded"), failed: text("failed"), timeout: text("timed_out"), cancelled: text("cancelled") };

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("runs");
    if (!panel) return;
    const list = panel.querySelector("ul");
    const row = panel.querySelector("template").content.firstElementChild;
    const button = panel.querySelector("[data-compare]");
    const note = panel.querySelector("[role=status]");
    const comparison = panel.querySelector("[data-comparison]");
    const language = document.getElementById("language");
    const key = `runs:${editorContents.project}`;

    const load = () => {
      try {
        const runs = JSON.parse(stored.get(key));
        const isRun = ({ job, at, state }) => typeof job === "string" && typeof at === "string" && (!state || LABELS[state]);
        return Array.isArray(runs) ? runs.filter(isRun) : [];
      } catch {
        return [];
      }
    };
    let runs = load();
    let chosen = runs.filter(({ state }) => state).slice(0, 2).map(({ job }) => job);

    const keep = () => {
      runs = runs.slice(0, MAX_RUNS);
      stored.set(key, JSON.stringify(runs));
      show();
    };

    const show = () => {
      const ended = runs.filter(({ state }) => state);
      chosen = chosen.filter((job) => ended.some((run) => run.job === job));
      panel.hidden = !runs.length;
      list.replaceChildren(...runs.map((run) => {
        const item = row.cloneNode(true);
        const box = item.querySelector("input"), badge = item.querySelector(".badge"), time = item.querySelector("time");
        box.checked = chosen.includes(run.job);
        box.disabled = !run.state;
        box.addEventListener("change", () => {
          // Selecting a third run deselects the one that was selected first.
          chosen = box.checked ? [...chosen, run.job].slice(-2) : chosen.filter((job) => job !== run.job);
          show();
          list.children[runs.indexOf(run)].querySelector("input").focus();
        });
        badge.hidden = !run.state;
        if (run.state) badge.classList.add(run.state);
        item.querySelector("[data-state]").textContent = LABELS[run.state] || "";
        time.dateTime = run.at;
        time.textContent = new Date(run.at).toLocaleTimeString(document.documentElement.lang);
        item.querySelector("[data-language]").textContent = run.language || "";
        item.querySelector("[data-job]").href = `/dashboard/jobs/${encodeURIComponent(run.job)}`;
        return item;
      }));
      button.disabled = chosen.length < 2;
    };

    const output = async (job, stream) => {
      const response = await fetch(`/api/jobs/${encodeURIComponent(job)}/output/${stream}`);
      if (!response.ok) throw new Error(text("http_status", { status: response.status }));
      const reader = response.body.getReader(), decoder = new TextDecoder();
      let written = "";
      for (let bytes = 0; bytes < MAX_OUTPUT_BYTES;) {
        const { done, value } = await reader.read();
        if (done) return written + decoder.decode();
        written += decoder.decode(value, { stream: true });
        bytes += value.length;
      }
      reader.cancel();
      return `${written}\n\u2026\n`;
    };


    const compare = async () => {
      // In the order of the runs.
      const [before, after] = runs.filter(({ job }) => chosen.includes(job)).reverse();
      note.textContent = "";
      let outputs;
      try {
        outputs = await Promise.all(STREAMS.map((stream) => Promise.all([before, after].map(({ job }) => output(job, stream)))));
      } catch (error) {
        note.textContent = text("cannot_load_because", { reason: error.message });
        return;
      }
      const parts = [];
      STREAMS.forEach((stream, place) => {
        const texts = outputs[place];
        if (!texts[0] && !texts[1]) return;
        const sides = element("div", { className: "sides" });
        texts.forEach((written, side) => {
          const shown = element("pre", { className: "source", textContent: inert(written.slice(0, 100000)), tabIndex: 0 });
          shown.setAttribute("aria-label", text(side ? "output_after" : "output_before", { stream }));
          sides.append(shown);
        });
        const table = differenceTable(texts[0], texts[1], text("difference_of", { stream }));
        parts.push(element("h3", { className: "pad", textContent: stream }), sides);
        parts.push(table || element("p", { className: "muted pad", textContent: text("same_output") }));
      });
      const whole = element("a", { className: "pad small", textContent: text("compare_all") });
      whole.href = `/dashboard/jobs/${encodeURIComponent(before.job)}/compare?with=${encodeURIComponent(after.job)}`;
      comparison.replaceChildren(whole, ...(parts.length ? parts : [element("p", { className: "muted pad", textContent: text("no_output_of_both") })]));
    };
    button.addEventListener("click", compare);

    document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
      // A page that the Back button restores has no target.
      const followed = detail.target?.id === "live" && detail.target.querySelector("[data-follow]");
      if (!followed) return;
      detail.target.scrollIntoView({ block: "nearest" });
      const { title } = language.selectedOptions[0].dataset;
      runs = [{ job: followed.dataset.follow, at: new Date().toISOString(), language: title }, ...load()];
      keep();
    });
    document.addEventListener("job-ended", ({ detail }) => {
      const run = runs.find(({ job }) => job === detail.job_id);
      if (!run) return;
      run.state = detail.status.toLowerCase();
      keep();
      // Selects the latest two runs, unless the visitor selected others.
      const ended = runs.filter(({ state }) => state).slice(0, 2).map(({ job }) => job);
      if (!comparison.childElementCount && ended.length === 2) { chosen = ended; show(); }
    });
    // Updates runs that ended while no page followed them, and removes deleted ones.
    const ask = async (job) => {
      const response = await fetch(`/api/jobs/${encodeURIComponent(job)}/status`).catch(() => null);
      if (!response || (!response.ok && response.status !== 404)) return;
      const state = response.ok && (await response.json()).status.toLowerCase();
      if (state && !LABELS[state]) return;
      runs = state ? runs.map((run) => (run.job === job ? { ...run, state } : run)) : runs.filter((run) => run.job !== job);
      keep();
    };
    for (const { job, state } of runs) if (!state) ask(job);
    show();
  });
})();
