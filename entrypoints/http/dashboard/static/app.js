// What every page does: keep itself fresh, say times in the reader's zone, and say when the server is gone.
"use strict";
(() => {
  const REFRESH_MS = 2000;
  const UNITS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

  const ago = (date) => {
    let value = (date - Date.now()) / 1000;
    for (const [unit, size] of UNITS) {
      if (Math.abs(value) < size) return unit === "second" && value > -5 ? "just now" : relative.format(Math.round(value), unit);
      value /= size;
    }
    return "";
  };

  const clock = (date) =>
    date.toLocaleTimeString("en-GB", { hour12: false }) + "." + String(date.getMilliseconds()).padStart(3, "0");

  const sayTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      time.textContent = "clock" in time.dataset ? clock(date) : ago(date);
      time.title = date.toLocaleString();
    }
  };

  const refresh = () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("[data-refresh]")) htmx.trigger(part, "refresh");
  };

  const connection = document.getElementById("connection");
  const setLost = (isLost) => { connection.hidden = !isLost; };

  document.body.addEventListener("htmx:sendError", () => setLost(true));
  document.body.addEventListener("htmx:responseError", (event) => setLost(event.detail.xhr.status >= 502));
  document.body.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) setLost(false); });
  document.addEventListener("connection", (event) => setLost(event.detail.isLost));
  document.body.addEventListener("htmx:load", (event) => sayTimes(event.detail.elt));
  document.addEventListener("visibilitychange", refresh);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const label = button.textContent;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    sayTimes(document);
    setInterval(refresh, REFRESH_MS);
    setInterval(() => sayTimes(document), 15000);
  });
})();
