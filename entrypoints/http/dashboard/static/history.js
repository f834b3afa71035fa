// The history of jobs: days of the visitor's time zone, the selection of jobs, and keys.
"use strict";
(() => {
  const KEYS_OFF = "keys-off";
  const page = document.body;
  const byId = (id) => document.getElementById(id);
  const pad = (number) => String(number).padStart(2, "0");

  // Days: in the URL they are times with the offset of the visitor's time zone; in a field they are dates.
  const local = (year, month, day) => {
    const date = new Date(year, month, day);
    if (year < 100) date.setFullYear(year);
    return date;
  };
  const instant = (date) => {
    const minutes = -date.getTimezoneOffset(), [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    const day = `${String(date.getFullYear()).padStart(4, "0")}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
    return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}:00${minutes < 0 ? "-" : "+"}${pad(hours)}:${pad(rest)}`;
  };
  const dayOf = (date) => instant(date).slice(0, 10);
  // The beginning of a day, or of the day that is `after` days later.
  const begin = (day, after = 0) => {
    const [year, month, date] = day.split("-").map(Number);
    return instant(local(year, month - 1, date + after));
  };
  const isTime = (value) => value.includes("T");
  const showDays = () => {
    for (const field of document.querySelectorAll("#filters [type=date]")) {
      const given = field.dataset.instant;
      if (!given || !isTime(given)) continue;
      const date = new Date(given);
      field.value = dayOf(field.name === "until" ? new Date(date - 1) : date);
      field.dataset.shown = field.value;
    }
    const now = new Date();
    for (const link of document.querySelectorAll("a[data-days]")) {
      const [first, last] = link.dataset.days.split(",").map(Number);
      const url = new URL(link.href);
      const at = (ago) => instant(local(now.getFullYear(), now.getMonth(), now.getDate() - ago));
      url.searchParams.set("since", at(first));
      url.searchParams.set("until", at(last - 1));
      link.href = url.pathname + url.search;
      const chosen = new URLSearchParams(location.search);
      const isChosen = ["since", "until"].every((name) => chosen.get(name) === url.searchParams.get(name));
      link.toggleAttribute("aria-current", isChosen);
    }
    for (const zone of document.querySelectorAll("[data-zone]")) {
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      zone.textContent = text("zone_of_days", { zone: `${timeZone}, UTC${instant(now).slice(-6)}` });
    }
  };
  page.addEventListener("htmx:configRequest", ({ detail }) => {
    if ("days" in detail.elt.dataset) detail.path = detail.elt.getAttribute("href");
    if (detail.elt.id !== "filters") return;
    for (const name of ["since", "until"]) {
      const field = detail.elt.elements[name];
      const isKept = field.value && field.value === field.dataset.shown;
      detail.parameters[name] = isKept ? field.dataset.instant : field.value && begin(field.value, name === "until" ? 1 : 0);
    }
    for (const name of Object.keys(detail.parameters)) if (!detail.parameters[name]) delete detail.parameters[name];
  });
  page.addEventListener("change", ({ target }) => {
    // Dates replace a period.
    if (target.matches("#filters [type=date]")) target.form.elements.period?.remove();
  }, true);

  // The selection.
  const rows = () => [...document.querySelectorAll("#history tbody tr")];
  const boxOf = (row) => row?.querySelector("[type=checkbox]");
  const showSelection = () => {
    const all = byId("select-page"), boxes = rows().map(boxOf).filter(Boolean);
    if (!all) return;
    const number = boxes.filter((box) => box.checked).length;
    all.checked = number > 0 && number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
  };
  page.addEventListener("change", ({ target }) => {
    if (target.id === "select-page") for (const row of rows()) boxOf(row).checked = target.checked;
    if (target.id === "select-all" && target.checked) for (const row of rows()) boxOf(row).checked = true;
    else if (target.type === "checkbox" && byId("select-all") && !target.checked) byId("select-all").checked = false;
    showSelection();
  });
  // A list with a selection is not refreshed.
  page.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.id === "history" && elt.querySelector(":checked, details[open]")) event.preventDefault();
  });
  page.addEventListener("jobs-acted", () => {
    for (const box of document.querySelectorAll("#history :checked")) box.checked = false;
    for (const menu of document.querySelectorAll("#history details[open]")) menu.open = false;
    const list = byId("history");
    if (list) htmx.trigger(list, "refresh");
  });
  page.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dismiss]") || !byId("acted")) return;
    event.preventDefault();
    byId("acted").replaceChildren();
    byId("select-page")?.focus();
  });

  // Keys, except in fields, and unless the visitor has switched them off.
  const KEYS = [
    [["j", "\u2193"], text("key_next")], [["k", "\u2191"], text("key_previous")], [["Enter"], text("key_open")],
    [["x"], text("key_select")], [["/"], text("key_search")], [["?"], text("key_help")],
  ];
  const help = () => {
    const toggle = element("input", { type: "checkbox", checked: !stored.get(KEYS_OFF) });
    toggle.addEventListener("change", () => (toggle.checked ? stored.remove(KEYS_OFF) : stored.set(KEYS_OFF, "1")));
    const list = element("dl", { className: "facts" });
    for (const [keys, meaning] of KEYS) {
      const shown = keys.flatMap((key) => [" ", element("kbd", { textContent: key })]);
      list.append(element("dt", {}, ...shown), element("dd", { textContent: meaning }));
    }
    const dialog = element("dialog", { className: "card pad", ariaLabel: text("keys_title") },
      element("h2", { textContent: text("keys_title") }), list,
      element("label", { className: "choice" }, toggle, text("keys_on")),
      element("form", { method: "dialog" }, element("button", { textContent: text("close") })));
    dialog.addEventListener("close", () => dialog.remove());
    page.append(dialog);
    dialog.showModal();
  };
  const linkOf = (row) => row?.querySelector("a.row");
  const move = (step) => {
    const all = rows(), at = all.findIndex((row) => row.contains(document.activeElement));
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    linkOf(all[next])?.focus();
  };
  const select = () => {
    const box = boxOf(document.activeElement.closest("#history tbody tr"));
    if (box) box.click();
  };
  const isInList = () => document.activeElement.closest("#history tbody") !== null;
  const ACTS = {
    j: () => move(1), k: () => move(-1), x: select, "?": help,
    "/": () => document.querySelector("#filters [name=q]").focus(),
    ArrowDown: () => isInList() && move(1), ArrowUp: () => isInList() && move(-1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    const { target } = event;
    const isField = target.matches("textarea, select, input:not([type=checkbox])") || target.isContentEditable;
    if (isField || (event.key.length === 1 && stored.get(KEYS_OFF)) || !Object.hasOwn(ACTS, event.key)) return;
    if (ACTS[event.key]() !== false) event.preventDefault();
  });
  page.addEventListener("click", (event) => { if (event.target.closest("#keys-help")) help(); });

  const prepare = () => {
    for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
    showDays();
    showSelection();
  };
  page.addEventListener("htmx:load", prepare);
  page.addEventListener("htmx:historyRestore", prepare);
  document.addEventListener("DOMContentLoaded", prepare);
})();
