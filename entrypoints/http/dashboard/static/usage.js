// Shows the usage of a running program, which arrives with its output, at the meters of its limits and in its panel.
"use strict";
(() => {
  const mebibytes = (value) => `${Number(value.toFixed(value < 10 ? 1 : 0))} MiB`;
  const FIGURES = {
    timeout_ms: ["execution_time_ms", duration],
    cpu_time_ms: ["cpu_time_ms", duration],
    memory_mb: ["memory_mb", mebibytes],
  };
  let last = null;

  const showAtMeter = (row) => {
    const [figure, format] = FIGURES[row.dataset.meter] || [];
    const used = last.usage[figure];
    if (used == null) return;
    row.querySelector("[data-figure]").textContent = text("used_of", { used: format(used), allowed: row.dataset.allowed });
    row.querySelector("meter").value = Math.min(100 * used / row.dataset.most, 100);
  };

  const summary = ({ cpu_time_ms: cpu, memory_mb: memory, processes }) => [
    text("cpu_used", { duration: duration(cpu) }),
    memory == null ? "" : mebibytes(memory),
    processes == null ? "" : text("processes", { count: processes }),
  ].filter(Boolean).join(" · ");

  const show = () => {
    if (!last) return;
    const state = document.getElementById("state");
    if (state && state.dataset.job === last.job) {
      for (const row of state.querySelectorAll("[data-meter]")) showAtMeter(row);
      const note = state.querySelector("[data-usage-note]");
      if (note) note.textContent = last.usage.processes == null ? "" : text("processes", { count: last.usage.processes });
    }
    const line = document.querySelector(`[data-follow="${CSS.escape(last.job)}"] [data-usage]`);
    if (line) line.textContent = summary(last.usage);
  };

  document.addEventListener("usage", ({ detail }) => { last = detail; show(); });
  document.addEventListener("htmx:load", show);  // a part of the page was refreshed
  document.addEventListener("job-ended", () => {
    last = null;
    for (const line of document.querySelectorAll("[data-usage]")) line.textContent = "";
  });
})();
