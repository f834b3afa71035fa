// The files beside the program in the editor: added, written, renamed, removed, or dropped as an archive.
"use strict";
(() => {
  const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("files");
    if (!panel) return;
    const list = panel.querySelector("ul");
    const pick = panel.querySelector("input[type=file]");
    const note = panel.querySelector("[role=status]");
    const form = panel.closest("form");
    let files = [];
    panel.hidden = false;

    // Whichever way the form is sent, its files are parts whose filenames are their paths.
    form.addEventListener("formdata", ({ formData }) => {
      for (const file of files) formData.append(file.isArchive ? "archive" : "files", new Blob([file.bytes || file.text]), file.path);
    });

    const element = (name, properties) => Object.assign(document.createElement(name), properties);

    const show = () => {
      list.replaceChildren(...files.map((file) => {
        const item = element("li", {});
        const path = element("input", { value: file.path, className: "mono", autocomplete: "off", spellcheck: false });
        path.setAttribute("aria-label", text("path"));
        path.addEventListener("input", () => { file.path = path.value; });
        const remove = element("button", { type: "button", className: "quiet", textContent: text("remove") });
        remove.setAttribute("aria-label", text("remove_named", { path: file.path }));
        remove.addEventListener("click", () => { files = files.filter((other) => other !== file); show(); });
        item.append(path, element("span", { className: "muted small", textContent: file.isArchive ? text("archive_extracted") : file.bytes ? text("bytes", { count: file.bytes.length }) : "" }), remove);
        if (!file.bytes) {
          const content = element("textarea", { value: file.text, rows: 4, className: "mono", spellcheck: false });
          content.setAttribute("aria-label", text("content_of", { path: file.path }));
          content.addEventListener("input", () => { file.text = content.value; });
          item.append(content);
        }
        return item;
      }));
    };

    const take = async (picked) => {
      for (const each of picked) {
        const isArchive = ARCHIVE.test(each.name);
        const file = { path: each.webkitRelativePath || each.name, bytes: new Uint8Array(await each.arrayBuffer()), isArchive };
        files = files.filter((other) => other.path !== file.path && !(isArchive && other.isArchive));
        files.push(file);
      }
      note.textContent = text("files_added", { count: picked.length });
      show();
    };

    pick.addEventListener("change", async () => { await take([...pick.files]); pick.value = ""; });
    panel.querySelector("[data-new]").addEventListener("click", () => {
      files.push({ path: `file${files.length + 1}.txt`, text: "" });
      show();
      list.lastElementChild.querySelector("input").focus();
    });
    panel.addEventListener("dragover", (event) => event.preventDefault());
    panel.addEventListener("drop", (event) => { event.preventDefault(); take([...event.dataTransfer.files]); });
  });
})();
