// Updates the state on a job's page from the job's events.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const state = () => document.getElementById("state");
    const refresh = () => htmx.trigger(state(), "refresh");
    const source = new EventSource(`/api/jobs/${state().dataset.job}/events`);
    let hasEnded = !("refresh" in state().dataset);
    source.addEventListener("state", () => { if (!hasEnded) refresh(); });
    // Results arrive many times a second, so the table is refreshed at most twice a second.
    let isDue = false;
    const refreshCases = () => {
      isDue = false;
      const cases = document.getElementById("cases");
      if (cases) htmx.trigger(cases, "refresh");
    };
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
  });
})();
