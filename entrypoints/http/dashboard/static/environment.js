// The variables of the program's environment in the editor: rows with a name, a value, and whether it is secret.
"use strict";
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("environment");
    if (!panel) return;
    const list = panel.querySelector("ul");
    const row = panel.querySelector("template").content.firstElementChild;
    const form = panel.closest("form");
    const note = panel.querySelector("[data-count]");
    panel.querySelector(".toolbar").hidden = false;

    const count = () => { note.textContent = list.children.length ? text("variables", { count: list.children.length }) : ""; };

    const add = ({ name, value, secret }) => {
      const item = row.cloneNode(true);
      const [nameField, valueField, secretField] = ["name", "value", "secret"].map((part) => item.querySelector(`[data-${part}]`));
      const remove = item.querySelector("[data-remove]");
      const label = () => remove.setAttribute("aria-label", text("remove_named", { path: nameField.value }));
      const hide = () => {
        valueField.classList.toggle("masked", secretField.checked);
        valueField.required = secretField.checked;
      };
      Object.assign(nameField, { value: name });
      Object.assign(valueField, { value });
      secretField.checked = secret;
      nameField.addEventListener("input", label);
      secretField.addEventListener("change", hide);
      remove.addEventListener("click", () => {
        item.remove();
        count();
        form.dispatchEvent(new Event("input", { bubbles: true }));
        panel.querySelector("[data-new]").focus();
      });
      label();
      hide();
      list.append(item);
      count();
      return nameField;
    };

    const rows = () => [...list.children].map((item) => ({
      name: item.querySelector("[data-name]").value,
      value: item.querySelector("[data-value]").value,
      secret: item.querySelector("[data-secret]").checked,
    }));

    panel.querySelector("[data-new]").addEventListener("click", () => add({ name: "", value: "", secret: false }).focus());
    // Opens the panel, so that the invalid field is visible.
    panel.addEventListener("invalid", () => { panel.open = true; }, true);
    form.addEventListener("formdata", ({ formData }) => formData.set("env", JSON.stringify(rows())));

    editorParts.env = {
      // Secret values are not stored.
      read: () => rows().map(({ name, value, secret }) => ({ name, value: secret ? "" : value, secret })),
      write: (variables) => {
        list.replaceChildren();
        count();
        for (const { name, value, secret } of variables) add({ name: String(name), value: String(value), secret: secret === true });
      },
    };
    editorParts.env.write(editorContents.env);
  });
})();
