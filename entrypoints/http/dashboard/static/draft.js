// The editor's draft, stored in this browser for each project and language and for each edited job, until the visitor
// discards it or signs out. New drafts replace the oldest ones.
"use strict";
(() => {
  const PREFIX = "draft:";
  const MAX_CHARS = 500000;
  const MAX_ALL_CHARS = 2000000;
  const MAX_DRAFTS = 30;
  const DELAY_MS = 400;

  const keyOf = (runtime) => `${PREFIX}${editorContents.project}:${editorContents.job || ""}:${runtime}`;
  const chosenKey = () => `language:${editorContents.project}`;

  // Returns a draft; null if there is none or the stored one is invalid.
  const load = (key) => {
    try {
      const draft = JSON.parse(stored.get(key));
      const { code, fields, env, files, cases } = draft.parts;
      const isWhole = typeof code === "string" && typeof fields === "object" && [env, files, cases].every(Array.isArray);
      return isWhole ? draft : null;
    } catch {
      return null;
    }
  };

  // Returns a sentence about the result.
  const store = (key, parts) => {
    const value = JSON.stringify({ saved: Date.now(), parts });
    if (value.length > MAX_CHARS) return text("draft_too_large");
    try {
      const others = Object.keys(localStorage).filter((other) => other.startsWith(PREFIX) && other !== key)
        .map((other) => ({ key: other, chars: localStorage.getItem(other).length, saved: load(other)?.saved || 0 }))
        .sort((one, another) => one.saved - another.saved);
      let chars = others.reduce((sum, other) => sum + other.chars, value.length);
      while (others.length >= MAX_DRAFTS || chars > MAX_ALL_CHARS) {
        const oldest = others.shift();
        chars -= oldest.chars;
        localStorage.removeItem(oldest.key);
      }
      localStorage.setItem(key, value);
      return text("draft_kept");
    } catch {
      return text("draft_not_kept");
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("editor");
    if (!form) return;
    const language = document.getElementById("language");
    const panel = document.getElementById("draft");
    const note = panel.querySelector("[role=status]");
    const [elsewhere, leftBehind] = ["elsewhere", "left-behind"].map((name) => document.querySelector(`#notices [data-${name}]`));
    let runtime = language.value;
    let timer = null;

    const read = () => Object.fromEntries(Object.entries(editorParts).map(([name, part]) => [name, part.read()]));
    const given = read();
    const pristine = () => ({ ...given, code: editorParts.code.begin(runtime) });
    const isPristine = () => JSON.stringify(read()) === JSON.stringify(pristine());
    const write = (parts) => {
      for (const [name, part] of Object.entries(editorParts)) part.write(parts[name]);
      clearTimeout(timer);
    };
    const say = (sentence) => {
      panel.hidden = !sentence;
      note.textContent = sentence;
    };

    const save = () => {
      clearTimeout(timer);
      timer = null;
      if (isPristine()) {
        stored.remove(keyOf(runtime));
        say("");
      } else {
        say(store(keyOf(runtime), read()));
      }
    };
    const saveAtOnce = () => { if (timer !== null) save(); };

    // Shows the draft of the selected runtime; returns whether there is one.
    const restore = () => {
      const draft = load(keyOf(runtime));
      elsewhere.hidden = true;
      if (draft) write({ ...pristine(), ...draft.parts });
      say(draft ? text("draft_kept") : "");
      return draft !== null;
    };

    const choose = () => {
      const left = { code: editorParts.code.read(), isPristine: editorParts.code.read() === editorParts.code.begin(runtime) };
      const title = [...language.options].find(({ value }) => value === runtime)?.dataset.title;
      saveAtOnce();
      runtime = language.value;
      stored.set(chosenKey(), runtime);
      leftBehind.hidden = true;
      if (restore()) return;
      editorParts.code.write(editorParts.code.begin(runtime));
      if (left.isPristine) return save();
      leftBehind.hidden = false;
      leftBehind.querySelector("span").textContent = text("code_left", { language: title });
      leftBehind.querySelector("[data-take]").onclick = () => {
        editorParts.code.write(left.code);
        leftBehind.hidden = true;
        window.editor.focus();
      };
      save();
    };

    if (!editorContents.job) {
      const chosen = stored.get(chosenKey());
      if ([...language.options].some((option) => option.value === chosen && !option.disabled) && chosen !== runtime) {
        language.value = runtime = chosen;
        editorParts.code.write(editorParts.code.begin(runtime));
        clearTimeout(timer);
      }
    }
    restore();
    window.editor.clearHistory();
    window.editor.refresh();

    form.addEventListener("input", (event) => {
      if (event.target === language) return;
      clearTimeout(timer);
      timer = setTimeout(save, DELAY_MS);
    });
    form.addEventListener("change", (event) => {
      if (event.target === language) return choose();
      clearTimeout(timer);
      timer = setTimeout(save, DELAY_MS);
    });
    form.addEventListener("submit", saveAtOnce);
    window.addEventListener("pagehide", saveAtOnce);
    document.addEventListener("visibilitychange", saveAtOnce);

    panel.querySelector("[data-discard]").addEventListener("click", () => {
      if (!confirm(text("discard_question"))) return;
      write(pristine());
      stored.remove(keyOf(runtime));
      say("");
      elsewhere.hidden = true;
      window.editor.focus();
    });

    // Another tab may edit the same draft: the last change wins, and the other tab reports it.
    window.addEventListener("storage", ({ key, newValue }) => {
      if (key !== keyOf(runtime)) return;
      const draft = load(key);
      elsewhere.hidden = newValue === null || (draft !== null && JSON.stringify(draft.parts) === JSON.stringify(read()));
    });
    elsewhere.querySelector("[data-load]").addEventListener("click", () => { restore(); window.editor.focus(); });
  });
})();
