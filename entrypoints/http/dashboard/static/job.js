// Keeps the state of a job's page as the job's events have it.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const state = () => document.getElementById("state");
    const refresh = () => htmx.trigger(state(), "refresh");
    const source = new EventSource(`/api/jobs/${state().dataset.job}/events`);
    let hasEnded = !("refresh" in state().dataset);
    source.addEventListener("state", () => { if (!hasEnded) refresh(); });
    source.addEventListener("end", () => {
      source.close();
      if (!hasEnded) refresh();
      hasEnded = true;
    });
  });
})();
