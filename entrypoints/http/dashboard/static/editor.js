// The editor: CodeMirror on the form's text area, with a small program of each language to begin with.
"use strict";
(() => {
  const BEGINNINGS = {
    python: 'import time\n\nfor number in range(1, 6):\n    print("line", number, flush=True)\n    time.sleep(0.5)\n',
    node: 'let number = 0;\nconst timer = setInterval(() => {\n  console.log("line", ++number);\n  if (number === 5) clearInterval(timer);\n}, 500);\n',
    java: 'public class Main {\n    public static void main(String[] args) throws Exception {\n        for (int number = 1; number <= 5; number++) {\n            System.out.println("line " + number);\n            Thread.sleep(500);\n        }\n    }\n}\n',
    bash: 'for number in 1 2 3 4 5; do\n  echo "line $number"\n  sleep 0.5\ndone\n',
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("editor");
    if (!form) return;
    const language = document.getElementById("language");
    const area = document.getElementById("code");
    const begin = () => BEGINNINGS[language.value] || "";
    area.required = false;
    area.value = begin();
    const editor = CodeMirror.fromTextArea(area, {
      lineNumbers: true, indentUnit: 4, matchBrackets: true, screenReaderLabel: text("code"),
      viewportMargin: 30,
      extraKeys: { "Ctrl-Enter": () => form.requestSubmit(), "Cmd-Enter": () => form.requestSubmit(), Tab: false, "Shift-Tab": false },
    });
    editor.setSize(null, "auto");
    editor.on("change", () => editor.save());
    const show = async () => {
      const chosen = language.value;
      const mode = await loadMode(chosen);
      if (language.value === chosen) editor.setOption("mode", mode);
    };
    show();
    let unchanged = begin();
    language.addEventListener("change", () => {
      show();
      if (editor.getValue() === unchanged) editor.setValue(begin());
      unchanged = begin();
    });
    window.editor = editor;
  });
})();
