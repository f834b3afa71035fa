// Behavior of every page: it refreshes itself, shows times in the reader's time zone, and reports a lost connection.
"use strict";
// Makes an element with properties and children.
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const copyText = async (content) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(content);
  // Pages over http have no clipboard API, but may copy the selection.
  const area = element("textarea", { value: content, className: "visually-hidden" });
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("nothing was copied");
};

(() => {
  const REFRESH_MS = 2000, DOUBLE_CLICK_MS = 500;
  const UNITS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });

  const ago = (date) => {
    let value = (date - Date.now()) / 1000;
    for (const [unit, size] of UNITS) {
      if (Math.abs(value) < size) return unit === "second" && value > -5 ? text("just_now") : relative.format(Math.round(value), unit);
      value /= size;
    }
    return "";
  };

  const clock = (date) =>
    date.toLocaleTimeString("en-GB", { hour12: false }) + "." + String(date.getMilliseconds()).padStart(3, "0");

  // The local time with its offset, and UTC.
  const exact = (date) => {
    const local = date.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
    const minutes = -date.getTimezoneOffset();
    const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((part) => String(part).padStart(2, "0"));
    return `${local} ${minutes < 0 ? "\u2212" : "+"}${hours}:${rest} (${date.toISOString().slice(0, 19).replace("T", " ")} UTC)`;
  };

  const sayTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      time.title = exact(date);
      if (time.dataset.exact) time.textContent = time.title;
      else time.textContent = "clock" in time.dataset ? clock(date) : ago(date);
    }
  };

  // Touch screens show no tooltip: a tap shows the exact time instead, and another tap hides it.
  document.addEventListener("click", (event) => {
    const time = event.target.closest("time[datetime]");
    if (!time) return;
    time.dataset.exact = time.dataset.exact ? "" : "1";
    sayTimes(time.parentElement);
  });

  // The server's clock is used, because the visitor's may be wrong.
  const ahead = Date.parse(document.documentElement.dataset.now) - Date.now();
  const tick = () => {
    for (const part of document.querySelectorAll("[data-elapsed]")) {
      part.textContent = duration(Math.max(Date.now() + ahead - Date.parse(part.dataset.elapsed), 0));
    }
  };

  // The title and the icon of the page follow the run that it shows.
  const icon = document.querySelector("link[rel=icon]"), title = document.title;
  const announce = () => {
    const shown = document.querySelector("[data-announce]");
    if (!shown || icon.getAttribute("href") === shown.dataset.icon) return;
    document.title = `${shown.dataset.announce} · ${title}`;
    icon.href = shown.dataset.icon;
  };

  const refresh = () => {
    // A part with an open menu is skipped, because a refresh would close the menu. Of a hidden page, only the title and the
    // icon are up to date.
    const parts = document.hidden ? "[data-announce][data-refresh]" : "[data-refresh]:not(:has(details.menu[open]))";
    for (const part of document.querySelectorAll(parts)) htmx.trigger(part, "refresh");
  };

  const connection = document.getElementById("connection");
  const setLost = (isLost) => { connection.hidden = !isLost; };

  // A failed refresh is retried, and a banner reports it; a failed action of the visitor reports its own error.
  const isRefresh = ({ requestConfig }) => "refresh" in requestConfig.elt.dataset;
  const placeOfFault = ({ requestConfig, target }) => {
    const part = requestConfig.elt.closest("[data-faults]");
    return part ? part.querySelector("[data-fault]") : target;
  };
  const alertOf = (sentence) => {
    const alert = element("div", { className: "alert", textContent: sentence });
    alert.setAttribute("role", "alert");
    return alert;
  };

  document.body.addEventListener("htmx:beforeRequest", ({ detail }) => {
    const part = detail.requestConfig.elt.closest("[data-faults]");
    if (part && !isRefresh(detail)) part.querySelector("[data-fault]").replaceChildren();
  });
  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.status < 400 || isRefresh(detail)) return;
    detail.shouldSwap = true;
    detail.swapOverride = "innerHTML";
    detail.target = placeOfFault(detail);
    const isOurs = detail.xhr.getResponseHeader("x-request-id") !== null;
    if (!isOurs) detail.serverResponse = alertOf(text("proxy_refused", { status: detail.xhr.status })).outerHTML;
  });
  // A refreshed part keeps the keyboard focus in place. htmx does this only for elements with an id.
  const keyOf = ({ localName, name, value, textContent, attributes }) => [localName, name, value, attributes.href?.value, textContent].join("\n");
  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { activeElement } = document, { target } = detail;
    if (!detail.shouldSwap || activeElement.id || !target.contains(activeElement)) return;
    const key = keyOf(activeElement), rank = [...target.querySelectorAll(activeElement.localName)].filter((like) => keyOf(like) === key).indexOf(activeElement);
    const restore = ({ detail: { elt, target: swapped } }) => {
      if (swapped !== target) return;
      document.body.removeEventListener("htmx:afterSwap", restore);
      const alike = [...elt.querySelectorAll(activeElement.localName)].filter((like) => keyOf(like) === key);
      if (document.activeElement === document.body) (alike[rank] || alike[0])?.focus({ preventScroll: true });
    };
    document.body.addEventListener("htmx:afterSwap", restore);
  });
  document.body.addEventListener("htmx:sendError", ({ detail }) => {
    if (isRefresh(detail)) return setLost(true);
    const isRead = detail.requestConfig.verb === "get";
    placeOfFault(detail).replaceChildren(alertOf(text(isRead ? "unreachable" : "unreachable_after_change")));
  });
  document.body.addEventListener("htmx:responseError", ({ detail }) => { if (isRefresh(detail) && detail.xhr.status >= 500) setLost(true); });
  document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.successful) return;
    setLost(false);
    const menu = detail.requestConfig.elt.closest("details.menu");
    if (menu && detail.xhr.status < 300) { menu.open = false; detail.requestConfig.elt.reset?.(); }
  });
  document.addEventListener("connection", (event) => setLost(event.detail.isLost));
  document.body.addEventListener("htmx:load", (event) => { sayTimes(event.detail.elt.parentElement || document); tick(); announce(); });
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("job-ended", refresh);

  const showCopied = (element) => {
    element.dataset.label ||= element.textContent;
    element.textContent = text("copied");
    setTimeout(() => { element.textContent = element.dataset.label; }, 1500);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const shown = document.getElementById(button.dataset.copy);
    try {
      await copyText(shown.textContent);
      showCopied(button);
    } catch {
      getSelection().selectAllChildren(shown);  // for copying by hand
    }
  });

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-copy-from]");
    if (!link) return;
    event.preventDefault();
    try {
      const response = await fetch(link.href);
      if (!response.ok) throw new Error(response.statusText);
      await copyText(await response.text());
    } catch {
      return location.assign(link.href);  // for reading, and copying by hand
    }
    showCopied(link);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // A double click sends a form once; a form on a page that stays can be sent again once it is answered.
  let sent = null;
  document.body.addEventListener("htmx:afterRequest", ({ detail }) => { if (detail.requestConfig.elt === sent?.target) sent = null; });
  document.addEventListener("submit", (event) => {
    const { target, timeStamp } = event;
    if (target.method !== "post") return;
    if (sent?.target === target && timeStamp - sent.timeStamp < DOUBLE_CLICK_MS) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else sent = { target, timeStamp };
  }, true);

  // Drafts belong to their author, so signing out removes them from the browser.
  document.addEventListener("submit", ({ target }) => {
    // The attribute, because a form control named `action` hides the property.
    if (!target.getAttribute("action")?.startsWith("/dashboard/sign-out")) return;
    for (const key of stored.keys) if (/^(draft|language|runs):/.test(key)) stored.remove(key);
  });

  document.addEventListener("DOMContentLoaded", () => {
    sayTimes(document);
    // On a narrow page, the navigation is scrolled to the current page's entry.
    const navigation = document.querySelector(".top nav"), current = navigation.querySelector("[aria-current]");
    if (current) navigation.scrollLeft = current.offsetLeft - navigation.offsetLeft;
    setInterval(refresh, REFRESH_MS);
    setInterval(() => sayTimes(document), 15000);
    setInterval(tick, 100);
    tick();
    announce();
  });
})();
