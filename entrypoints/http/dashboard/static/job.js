// Keeps the state of a job's page as the job's events have it.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const state = () => document.getElementById("state");
    const refresh = () => htmx.trigger(state(), "refresh");
    const source = new EventSource(`/api/jobs/${state().dataset.job}/events`);
    let hasEnded = !("refresh" in state().dataset);
    source.addEventListener("state", () => { if (!hasEnded) refresh(); });
    // Results come many times a second: the table is read anew twice a second at most.
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
