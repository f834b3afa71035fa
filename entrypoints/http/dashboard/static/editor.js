// The editor: CodeMirror on the form's text area, in the selected language. Tab indents; Escape, then Tab, leaves.
"use strict";
// The parts of the editor in a draft, by name: `read()` returns plain data, `write(data)` shows it.
const editorParts = {};

const editorContents = (() => {
  const element = document.getElementById("editor-contents");
  return element ? JSON.parse(element.textContent) : null;
})();

(() => {
  // Fields that are not part of the visitor's work.
  const APART = new Set(["csrf", "from", "language", "code"]);
  const HEADER_PX = 72;

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("editor");
    if (!form) return;
    const language = document.getElementById("language");
    const area = document.getElementById("code");
    const given = area.value, givenFor = given ? language.value : null;
    // The initial program for a runtime: the job's program or the starter.
    const begin = (runtime) => {
      if (runtime === givenFor) return given;
      const option = [...language.options].find(({ value }) => value === runtime);
      return (option && editorContents.starters[option.dataset.language]) || "";
    };
    area.required = false;
    area.value = begin(language.value);
    const run = () => form.requestSubmit();
    const keys = {
      "Ctrl-Enter": run, "Cmd-Enter": run,
      Tab: (editor) => {
        if (editor.somethingSelected()) editor.indentSelection("add");
        else editor.execCommand(editor.getOption("indentWithTabs") ? "insertTab" : "insertSoftTab");
      },
      "Shift-Tab": (editor) => editor.indentSelection("subtract"),
      Esc: (editor) => { editor.execCommand("singleSelection"); setLeaving(true); },
    };
    // The focused element is inside the scrolled one, which suits screen readers and input methods better than a text area
    // beside it.
    const editor = CodeMirror.fromTextArea(area, {
      inputStyle: "contenteditable", lineNumbers: true, indentUnit: 4, matchBrackets: true, screenReaderLabel: text("code"), viewportMargin: 30, extraKeys: keys,
    });
    // After Escape, Tab moves the focus in the browser's way, until another key is pressed.
    const setLeaving = (isLeaving) => editor.setOption("extraKeys", isLeaving ? { ...keys, Tab: false, "Shift-Tab": false } : keys);
    editor.on("keydown", (_editor, event) => { if (!["Escape", "Tab", "Shift"].includes(event.key)) setLeaving(false); });
    editor.on("blur", () => setLeaving(false));
    // Browsers do not scroll to an editable element when the keyboard focus returns to it from below.
    editor.on("focus", () => {
      const whole = editor.getWrapperElement(), { top, bottom } = whole.getBoundingClientRect();
      if (bottom < HEADER_PX || top > innerHeight) whole.scrollIntoView({ block: "nearest" });
    });
    editor.setSize(null, "auto");
    for (const [name, value] of Object.entries({ role: "textbox", "aria-multiline": "true", "aria-describedby": "code-hint" })) {
      editor.getInputField().setAttribute(name, value);
    }
    document.getElementById("code-hint").hidden = false;
    editor.on("change", () => { editor.save(); form.dispatchEvent(new Event("input", { bubbles: true })); });

    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
      event.preventDefault();
      run();
    });

    const show = async () => {
      const chosen = language.value;
      const mode = await loadMode(language.selectedOptions[0]?.dataset.language);
      if (language.value === chosen) {
        editor.setOption("mode", mode);
        editor.setOption("indentWithTabs", mode === "go");
      }
    };
    language.addEventListener("change", show);
    // Runs after a draft has selected the language.
    queueMicrotask(show);

    editorParts.code = {
      begin,
      read: () => editor.getValue(),
      write: (code) => { if (editor.getValue() !== code) editor.setValue(code); },
    };
    const fields = () => [...form.elements].filter((field) => field.name && field.type !== "file" && !APART.has(field.name));
    editorParts.fields = {
      read: () => Object.fromEntries(fields().map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value])),
      write: (values) => {
        for (const field of fields()) {
          const value = values[field.name];
          if (field.type === "checkbox" && typeof value === "boolean") field.checked = value;
          // A value that is no longer offered is ignored.
          else if (typeof value === "string" && (!field.options || [...field.options].some((option) => option.value === value))) field.value = value;
        }
      },
    };
    window.editor = editor;
  });
})();
