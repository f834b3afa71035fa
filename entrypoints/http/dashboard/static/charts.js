// The cluster's charts. Below each chart are its latest and highest figures as text, and all figures as a table.
"use strict";
(() => {
  // The history has one sample per minute; the range of an hour also shows jobs that have just ended.
  const EVERY_MS = 5000, EVERY_LONG_MS = 60000, HOUR = 60, DAY = 1440;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A canvas does not support light-dark(), so the color is read from an element that uses it.
  const colour = (name) => {
    const probe = element("span", { className: `probe ${name}` });
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const chosen = () => Number(document.getElementById("minutes").value);
  const at = (time, parts) => new Date(time * 1000).toLocaleString(document.documentElement.lang, parts);
  const TIME = { hour: "2-digit", minute: "2-digit", hour12: false }, DATE = { month: "short", day: "numeric" };
  const clock = (time) => at(time, chosen() > DAY ? { ...DATE, ...TIME } : TIME);
  // Ticks at midnight show their date.
  const ticks = (_plot, times) => times.map((time) => {
    const isDay = chosen() > DAY && new Date(time * 1000).getHours() === 0;
    return at(time, isDay || chosen() > 7 * DAY ? DATE : TIME);
  });
  const span = () => {
    const now = Date.now() / 1000;
    return [now - chosen() * 60, now];
  };
  const percent = (value) => value == null ? "–" : `${Number(value.toFixed(1))} %`;
  const span_of = (ms) => ms == null ? "–" : duration(ms);
  const jobs = (number) => number == null ? "–" : number > 1000 ? "1,000+" : String(Math.round(number));
  const CHARTS = {
    depth: { lines: [[text("queued"), "accent"], [text("running"), "second"]], say: jobs },
    age: { lines: [[text("longest"), "accent"]], say: span_of },
    machines: { lines: [[text("cpu"), "accent"], [text("memory"), "second"]], say: percent, range: [0, 100] },
    success: { lines: [[text("succeeded"), "success"]], say: percent, range: [0, 100] },
    latency: { lines: [[text("median"), "accent"], [text("percentile_95"), "second"]], say: span_of },
    wait: { lines: [[text("median"), "accent"]], say: span_of },
  };
  const plots = {}, shown = {};
  const WHOLE = [...Array(8).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
  const place = (name) => document.querySelector(`[data-chart=${name}]`);
  const part = (name, selector) => place(name).parentElement.querySelector(selector);

  const draw = (name, data) => {
    const { lines, say, range } = CHARTS[name];
    if (plots[name]) return plots[name].setData(data);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: `11px ${style("--sans")}` };
    plots[name] = new uPlot({
      width: place(name).clientWidth, height: 190, cursor: { y: false }, legend: { live: false },
      axes: [{ ...axis, space: 70, values: ticks }, { ...axis, size: 60, incrs: range ? [25] : WHOLE, values: (_plot, values) => values.map(say) }],
      scales: { x: { range: () => span() }, y: range ? { range } : { range: (_plot, _low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
      series: [{}, ...lines.map(([label, tone]) => ({
        label, stroke: colour(tone), width: 2, spanGaps: false, points: { size: 6, fill: colour(tone) }, value: (_plot, value) => say(value),
      }))],
    }, data, place(name));
  };

  const describe = (name, times, columns) => {
    const { lines, say } = CHARTS[name];
    const sentences = lines.map(([label], line) => {
      const known = columns[line].map((value, index) => [value, times[index]]).filter(([value]) => value != null);
      if (!known.length) return "";
      const [value, time] = known.at(-1);
      const highest = say(Math.max(...known.map(([each]) => each)));
      return text("chart_summary", { label, value: say(value), time: clock(time), highest });
    });
    part(name, "figcaption").textContent = sentences.filter(Boolean).join(" · ") || text("no_data");
  };

  const row = (cells, kind) => {
    const cell = (content, index) => {
      if (kind !== "th" && index > 0) return element("td", {}, content);
      return element("th", { scope: kind === "th" ? "col" : "row" }, content);
    };
    return element("tr", {}, ...cells.map(cell));
  };

  // The table is built only while it is open, because it has as many rows as the chart has points.
  const tabulate = (name) => {
    const details = part(name, "details");
    if (!details.open || !shown[name]) return;
    const { lines, say } = CHARTS[name], [times, ...columns] = shown[name];
    const table = details.querySelector("table");
    table.tHead.replaceChildren(row([text("time"), ...lines.map(([label]) => label)], "th"));
    const rows = times.map((time, index) => [clock(time), ...columns.map((column) => say(column[index]))]);
    table.tBodies[0].replaceChildren(...rows.reverse().map((cells) => row(cells)));
  };

  const show = (name, times, ...columns) => {
    shown[name] = [times, ...columns];
    draw(name, shown[name]);
    describe(name, times, columns);
    tabulate(name);
  };

  // A line is interrupted where a figure is missing.
  const withGaps = (points, step) => points.flatMap((point, index) => {
    const isApart = index > 0 && point.at - points[index - 1].at > 1.5 * step;
    return isApart ? [{ at: points[index - 1].at + step }, point] : [point];
  });
  const column = (points, name) => points.map((point) => point[name] ?? null);

  const read = async (url) => {
    const response = await fetch(url);
    if (response.ok) return response.json();
    const isJson = (response.headers.get("content-type") || "").includes("json");
    throw new Error(isJson ? (await response.json()).detail : text("http_status", { status: response.status }));
  };

  const SOURCES = [
    {
      charts: ["depth", "age", "machines"],
      async update(minutes) {
        const history = await read(`/dashboard/cluster/history?minutes=${minutes}`);
        if (minutes !== chosen()) return;  // a newer request is in progress
        const points = withGaps(history.samples, history.step_s), times = column(points, "at");
        show("depth", times, column(points, "waiting"), column(points, "running"));
        show("age", times, column(points, "age"));
        show("machines", times, column(points, "cpu"), column(points, "memory"));
      },
    },
    {
      charts: ["success", "latency", "wait"],
      async update(minutes) {
        const slices = await read(`/dashboard/cluster/outcomes?minutes=${minutes}`), times = column(slices, "at");
        if (minutes !== chosen()) return;
        show("success", times, column(slices, "success"));
        show("latency", times, column(slices, "median"), column(slices, "high"));
        show("wait", times, column(slices, "wait"));
      },
    },
  ];

  let due = 0;
  const update = () => {
    due = Date.now() + (chosen() > HOUR ? EVERY_LONG_MS : EVERY_MS);
    if (document.hidden) return;
    for (const source of SOURCES) source.update(chosen()).catch((error) => {
      const isLost = error instanceof TypeError;  // fetch reports a missing response by this
      if (isLost) document.dispatchEvent(new CustomEvent("connection", { detail: { isLost } }));
      for (const name of source.charts) part(name, "figcaption").textContent = isLost ? text("cannot_load") : text("cannot_load_because", { reason: error.message });
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
    for (const name of Object.keys(CHARTS)) part(name, "details").addEventListener("toggle", () => tabulate(name));
    document.addEventListener("theme", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    document.addEventListener("visibilitychange", update);
    addEventListener("resize", () => {
      for (const [name, plot] of Object.entries(plots)) plot.setSize({ width: place(name).clientWidth, height: 190 });
    });
    update();
    setInterval(() => { if (Date.now() >= due) update(); }, 1000);
  });
})();
