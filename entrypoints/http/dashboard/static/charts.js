// The cluster's charts. Beneath each, its latest and highest figures in words.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A canvas does not know light-dark(): the colour is taken from an element that has it.
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.className = `probe ${name}`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const clock = (time) => new Date(time * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: time % 60 ? "2-digit" : undefined });
  const span = () => {
    const now = Date.now() / 1000;
    return [now - document.getElementById("minutes").value * 60, now];
  };
  const percent = (value) => value == null ? "–" : `${Number(value.toFixed(1))} %`;
  const duration = (ms) => ms == null ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  const CHARTS = {
    machines: { lines: [["CPU", "accent"], ["Memory", "second"]], say: percent, range: [0, 100] },
    success: { lines: [["Succeeded", "success"]], say: percent, range: [0, 100] },
    latency: { lines: [["Median", "accent"], ["95th percentile", "second"]], say: duration },
    wait: { lines: [["Median", "accent"]], say: duration },
  };
  const plots = {};

  const draw = (name, data) => {
    const place = document.querySelector(`[data-chart=${name}]`);
    const { lines, say, range } = CHARTS[name];
    if (plots[name]) return plots[name].setData(data);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: `11px ${style("--sans")}` };
    plots[name] = new uPlot({
      width: place.clientWidth, height: 190, cursor: { y: false }, legend: { live: false },
      axes: [{ ...axis, space: 70, values: (_plot, times) => times.map(clock) }, { ...axis, size: 60, values: (_plot, values) => values.map(say) }],
      scales: { x: { range: () => span() }, y: range ? { range } : { range: (_plot, _low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
      series: [{}, ...lines.map(([label, tone]) => ({
        label, stroke: colour(tone), width: 2, spanGaps: true, points: { size: 6, fill: colour(tone) }, value: (_plot, value) => say(value),
      }))],
    }, data, place);
  };

  const describe = (name, columns) => {
    const { lines, say } = CHARTS[name];
    const known = columns.map((column) => column.filter((value) => value != null));
    const caption = document.querySelector(`[data-chart=${name}]`).parentElement.querySelector("figcaption");
    caption.textContent = known.some((column) => column.length)
      ? lines.map(([label], place) => known[place].length ? `${label} ${say(known[place].at(-1))}, highest ${say(Math.max(...known[place]))}` : `${label} not measured`).join(" · ")
      : "Nothing to show of this time yet.";
  };

  const show = (name, times, ...columns) => {
    draw(name, [times, ...columns]);
    describe(name, columns);
  };

  const read = async (url) => {
    const response = await fetch(url);
    return response.ok ? response.json() : null;
  };

  const update = async () => {
    if (document.hidden) return;
    const minutes = document.getElementById("minutes").value;
    const cluster = encodeURIComponent(document.getElementById("charts").dataset.cluster);
    try {
      const [machines, outcomes] = await Promise.all([
        read(`/api/cloudwatch/${cluster}?minutes=${minutes}&period=${minutes > 10 ? 60 : 30}`),
        read(`/dashboard/cluster/outcomes?minutes=${minutes}`),
      ]);
      const points = machines ? machines.metrics : [];
      show("machines", points.map((p) => Date.parse(p.timestamp) / 1000), points.map((p) => p.cpu_utilization), points.map((p) => p.memory_utilization));
      const times = outcomes.map((p) => p.at);
      show("success", times, outcomes.map((p) => p.success));
      show("latency", times, outcomes.map((p) => p.median), outcomes.map((p) => p.high));
      show("wait", times, outcomes.map((p) => p.wait));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      document.dispatchEvent(new CustomEvent("connection", { detail: { isLost: true } }));
    }
  };

  const redraw = () => {
    for (const name of Object.keys(plots)) {
      plots[name].destroy();
      delete plots[name];
    }
    update();
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("minutes").addEventListener("change", update);
    document.addEventListener("theme", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    addEventListener("resize", () => {
      for (const [name, plot] of Object.entries(plots)) plot.setSize({ width: document.querySelector(`[data-chart=${name}]`).clientWidth, height: 190 });
    });
    update();
    setInterval(update, EVERY_MS);
  });
})();
