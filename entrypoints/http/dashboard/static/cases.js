// The cases that are written in the editor: pairs of an input and the output that is expected of it.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("given-cases");
    if (!panel) return;
    const list = panel.querySelector("ul");
    const row = panel.querySelector("template").content.firstElementChild;
    const note = panel.querySelector("[role=status]");
    const form = panel.closest("form");
    panel.querySelector(".toolbar").hidden = false;

    const count = () => { note.textContent = list.children.length ? text("cases_written", { count: list.children.length }) : ""; };

    panel.querySelector("[data-new]").addEventListener("click", () => {
      const item = row.cloneNode(true);
      const number = Math.max(0, ...[...list.children].map((other) => Number(other.dataset.number))) + 1;
      item.dataset.number = number;
      const name = item.querySelector("[data-name]");
      name.value = text("case_numbered", { number });
      const remove = item.querySelector("[data-remove]");
      const label = () => remove.setAttribute("aria-label", text("remove_named", { path: name.value }));
      name.addEventListener("input", label);
      remove.addEventListener("click", () => { item.remove(); count(); });
      label();
      list.append(item);
      count();
      item.querySelector("[data-stdin]").focus();
    });

    form.addEventListener("formdata", ({ formData }) => {
      const value = (item, name) => item.querySelector(`[data-${name}]`).value;
      const cases = [...list.children].map((item) => ({
        name: value(item, "name"), stdin: value(item, "stdin"), expected_stdout: value(item, "expected"),
      }));
      if (cases.length) formData.set("cases", JSON.stringify(cases));
    });
  });
})();
