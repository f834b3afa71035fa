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
  const span_of = (ms) => ms == null ? "–" : duration(ms);
  const jobs = (number) => number == null ? "–" : number > 1000 ? "1,000+" : String(Math.round(number));
  const CHARTS = {
    machines: { lines: [[text("cpu"), "accent"], [text("memory"), "second"]], say: percent, range: [0, 100] },
    success: { lines: [[text("succeeded"), "success"]], say: percent, range: [0, 100] },
    latency: { lines: [[text("median"), "accent"], [text("percentile_95"), "second"]], say: span_of },
    wait: { lines: [[text("median"), "accent"]], say: span_of },
    depth: { lines: [[text("jobs"), "accent"]], say: jobs },
    age: { lines: [[text("longest"), "accent"]], say: span_of },
  };
  const plots = {};
  const WHOLE = [...Array(8).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
  const place = (name) => document.querySelector(`[data-chart=${name}]`);
  const caption = (name) => place(name).parentElement.querySelector("figcaption");

  const draw = (name, data) => {
    const { lines, say, range } = CHARTS[name];
    if (plots[name]) return plots[name].setData(data);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: `11px ${style("--sans")}` };
    plots[name] = new uPlot({
      width: place(name).clientWidth, height: 190, cursor: { y: false }, legend: { live: false },
      axes: [{ ...axis, space: 70, values: (_plot, times) => times.map(clock) }, { ...axis, size: 60, incrs: range ? [25] : WHOLE, values: (_plot, values) => values.map(say) }],
      scales: { x: { range: () => span() }, y: range ? { range } : { range: (_plot, _low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
      series: [{}, ...lines.map(([label, tone]) => ({
        label, stroke: colour(tone), width: 2, spanGaps: false, points: { size: 6, fill: colour(tone) }, value: (_plot, value) => say(value),
      }))],
    }, data, place(name));
  };

  const describe = (name, times, columns) => {
    const { lines, say } = CHARTS[name];
    const sentences = lines.map(([label], line) => {
      const known = columns[line].map((value, at) => [value, times[at]]).filter(([value]) => value != null);
      if (!known.length) return "";
      const [value, time] = known.at(-1);
      const highest = say(Math.max(...known.map(([each]) => each)));
      return text("chart_summary", { label, value: say(value), time: clock(time), highest });
    });
    caption(name).textContent = sentences.filter(Boolean).join(" · ") || text("no_data");
  };

  const show = (name, times, ...columns) => {
    draw(name, [times, ...columns]);
    describe(name, times, columns);
  };

  // A line ends where a figure is missing.
  const withGaps = (points, period) => points.flatMap((point, at) => {
    const isApart = at > 0 && point.at - points[at - 1].at > 1.5 * period;
    return isApart ? [{ at: points[at - 1].at + period, cpu: null, memory: null }, point] : [point];
  });

  const read = async (url) => {
    const response = await fetch(url);
    if (response.ok) return response.json();
    const isJson = (response.headers.get("content-type") || "").includes("json");
    const detail = isJson ? (await response.json()).detail : text("http_status", { status: response.status });
    throw Object.assign(new Error(detail), { status: response.status });
  };

  const SOURCES = [
    {
      charts: ["machines"],
      async update(minutes) {
        const cluster = encodeURIComponent(document.getElementById("charts").dataset.cluster);
        const period = minutes > 10 ? 60 : 30;
        const { metrics } = await read(`/api/cloudwatch/${cluster}?minutes=${minutes}&period=${period}`).catch((error) => {
          if (error.status === 404) return { metrics: [] };  // nothing was measured yet
          throw error;
        });
        const points = withGaps(metrics.map((p) => ({ at: Date.parse(p.timestamp) / 1000, cpu: p.cpu_utilization, memory: p.memory_utilization })), period);
        show("machines", points.map((p) => p.at), points.map((p) => p.cpu), points.map((p) => p.memory));
      },
    },
    {
      charts: ["success", "latency", "wait"],
      async update(minutes) {
        const slices = await read(`/dashboard/cluster/outcomes?minutes=${minutes}`);
        const times = slices.map((p) => p.at);
        show("success", times, slices.map((p) => p.success));
        show("latency", times, slices.map((p) => p.median), slices.map((p) => p.high));
        show("wait", times, slices.map((p) => p.wait));
      },
    },
    {
      charts: ["depth", "age"],
      async update(minutes) {
        const { slices } = await read(`/dashboard/cluster/queue?minutes=${minutes}`);
        const times = slices.map((p) => p.at);
        show("depth", times, slices.map((p) => p.waiting));
        show("age", times, slices.map((p) => p.age));
      },
    },
  ];

  const update = () => {
    if (document.hidden) return;
    const minutes = Number(document.getElementById("minutes").value);
    for (const source of SOURCES) source.update(minutes).catch((error) => {
      const isLost = error instanceof TypeError;  // as fetch says that there was no answer
      if (isLost) document.dispatchEvent(new CustomEvent("connection", { detail: { isLost } }));
      for (const name of source.charts) caption(name).textContent = isLost ? text("cannot_load") : text("cannot_load_because", { reason: error.message });
    });
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
      for (const [name, plot] of Object.entries(plots)) plot.setSize({ width: place(name).clientWidth, height: 190 });
    });
    update();
    setInterval(update, EVERY_MS);
  });
})();
