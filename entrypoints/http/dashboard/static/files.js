// The files beside the program in the editor: added, written, renamed, removed, or dropped as an archive.
"use strict";
(() => {
  const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

  const base64 = (bytes) => {
    let binary = "";
    for (let place = 0; place < bytes.length; place += 0x8000) binary += String.fromCharCode(...bytes.subarray(place, place + 0x8000));
    return btoa(binary);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("files");
    if (!panel) return;
    const list = panel.querySelector("ul");
    const pick = panel.querySelector("input[type=file]");
    const note = panel.querySelector("[role=status]");
    const form = panel.closest("form");
    let files = [];
    panel.hidden = false;

    const save = () => {
      const archive = files.find((file) => file.isArchive);
      form.elements.archive_base64.value = archive ? base64(archive.bytes) : "";
      form.elements.files.value = JSON.stringify(files.filter((file) => !file.isArchive).map((file) => (
        file.bytes ? { path: file.path, content_base64: base64(file.bytes) } : { path: file.path, content: file.text })));
    };

    const element = (name, properties) => Object.assign(document.createElement(name), properties);

    const show = () => {
      list.replaceChildren(...files.map((file) => {
        const item = element("li", {});
        const path = element("input", { value: file.path, className: "mono", autocomplete: "off", spellcheck: false });
        path.setAttribute("aria-label", text("path"));
        path.addEventListener("input", () => { file.path = path.value; save(); });
        const remove = element("button", { type: "button", className: "quiet", textContent: text("remove") });
        remove.setAttribute("aria-label", text("remove_named", { path: file.path }));
        remove.addEventListener("click", () => { files = files.filter((other) => other !== file); show(); });
        item.append(path, element("span", { className: "muted small", textContent: file.isArchive ? text("archive_extracted") : file.bytes ? text("bytes", { count: file.bytes.length }) : "" }), remove);
        if (!file.bytes) {
          const content = element("textarea", { value: file.text, rows: 4, className: "mono", spellcheck: false });
          content.setAttribute("aria-label", text("content_of", { path: file.path }));
          content.addEventListener("input", () => { file.text = content.value; save(); });
          item.append(content);
        }
        return item;
      }));
      save();
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
