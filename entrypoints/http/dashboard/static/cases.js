// The cases that are written in the editor: pairs of an input and its expected output.
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

    const changed = () => form.dispatchEvent(new Event("input", { bubbles: true }));

    const add = ({ name, stdin, expected }) => {
      const item = row.cloneNode(true);
      const nameField = item.querySelector("[data-name]");
      nameField.value = name;
      item.querySelector("[data-stdin]").value = stdin;
      item.querySelector("[data-expected]").value = expected;
      const remove = item.querySelector("[data-remove]");
      const label = () => remove.setAttribute("aria-label", text("remove_named", { path: nameField.value }));
      nameField.addEventListener("input", label);
      remove.addEventListener("click", () => { item.remove(); count(); changed(); panel.querySelector("[data-new]").focus(); });
      label();
      list.append(item);
      count();
      return item;
    };

    const cases = () => [...list.children].map((item) => {
      const value = (name) => item.querySelector(`[data-${name}]`).value;
      return { name: value("name"), stdin: value("stdin"), expected: value("expected") };
    });

    panel.querySelector("[data-new]").addEventListener("click", () => {
      const taken = new Set(cases().map(({ name }) => name));
      let number = list.children.length + 1;
      while (taken.has(text("case_numbered", { number }))) number += 1;
      add({ name: text("case_numbered", { number }), stdin: "", expected: "" }).querySelector("[data-stdin]").focus();
      changed();
    });

    form.addEventListener("formdata", ({ formData }) => {
      const written = cases().map(({ name, stdin, expected }) => ({ name, stdin, expected_stdout: expected }));
      if (written.length) formData.set("cases", JSON.stringify(written));
    });

    editorParts.cases = {
      read: cases,
      write: (written) => {
        list.replaceChildren();
        count();
        for (const each of written) add({ name: String(each.name), stdin: String(each.stdin), expected: String(each.expected) });
        if (written.length) panel.open = true;
      },
    };
  });
})();
