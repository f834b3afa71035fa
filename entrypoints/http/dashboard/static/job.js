// Updates the state on a job's page from the job's events.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const state = () => document.getElementById("state");
    const refresh = () => htmx.trigger(state(), "refresh");
    let source = null, hasEnded = !("refresh" in state().dataset);
    // Results arrive many times a second, so the table is refreshed at most twice a second.
    let isDue = false;
    const refreshCases = () => {
      isDue = false;
      const cases = document.getElementById("cases");
      if (cases) htmx.trigger(cases, "refresh");
    };
    const follow = () => {
      source = new EventSource(`/api/jobs/${state().dataset.job}/events`);
      source.addEventListener("state", () => { if (!hasEnded) refresh(); });
      source.addEventListener("cases", () => {
        if (hasEnded || isDue) return;
        isDue = true;
        setTimeout(refreshCases, 500);
      });
      source.addEventListener("end", () => {
        source.close();
        if (!hasEnded) { refresh(); refreshCases(); }
        hasEnded = true;
      });
    };
    // A hidden page leaves its connection to the other tabs.
    document.addEventListener("visibilitychange", () => {
      if (hasEnded) return;
      source?.close();
      if (!document.hidden) follow();
    });
    if (!document.hidden && !hasEnded) follow();
  });
})();
