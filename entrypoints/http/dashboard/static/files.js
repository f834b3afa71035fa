// The files besides the program in the editor: add, edit, rename, remove, keep, or drop as an archive.
"use strict";
(() => {
  const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;
  const MAX_TEXT_BYTES = 256 * 1024;

  // The text of an editable file: a small one in UTF-8, without characters that text fields change.
  const textOf = (bytes) => {
    if (bytes.length > MAX_TEXT_BYTES) return undefined;
    try {
      const decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
      return /[\r\0]/.test(decoded) ? undefined : decoded;
    } catch {
      return undefined;
    }
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

    // However the form is sent, its files are parts whose filenames are the paths. Files of the edited job are only
    // named, and stay in the store.
    form.addEventListener("formdata", ({ formData }) => {
      if (editorContents.job) {
        formData.set("kept_files", JSON.stringify(files.filter((file) => file.from).map(({ path, from }) => ({ path, from }))));
      }
      for (const file of files) {
        if (!file.from) formData.append(file.isArchive ? "archive" : "files", new Blob([file.bytes || file.text]), file.path);
      }
    });

    const changed = () => form.dispatchEvent(new Event("input", { bubbles: true }));
    const about = (file) => {
      if (file.isArchive) return text("archive_extracted");
      if (file.from) return text("bytes", { count: file.size });
      return file.bytes ? text("bytes", { count: file.bytes.length }) : "";
    };

    const edit = async (file) => {
      const path = file.from.split("/").map(encodeURIComponent).join("/");
      const response = await fetch(`/dashboard/jobs/${editorContents.job}/files/${path}`).catch(() => null);
      const bytes = response && response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
      const content = bytes && textOf(bytes);
      if (typeof content !== "string") {
        note.textContent = text(response && response.status < 500 ? "not_editable" : "cannot_load");
        return;
      }
      const place = files.indexOf(file);
      files[place] = { path: file.path, text: content };
      show();
      list.children[place].querySelector("textarea").focus();
      changed();
    };

    const show = () => {
      list.replaceChildren(...files.map((file) => {
        const item = element("li");
        const path = element("input", { value: file.path, className: "mono", autocomplete: "off", spellcheck: false });
        path.setAttribute("aria-label", text("path"));
        path.addEventListener("input", () => { file.path = path.value; });
        const remove = element("button", { type: "button", className: "quiet", textContent: text("remove") });
        remove.setAttribute("aria-label", text("remove_named", { path: file.path }));
        remove.addEventListener("click", () => { files = files.filter((other) => other !== file); show(); changed(); pick.focus(); });
        item.append(path, element("span", { className: "muted small", textContent: about(file) }));
        if (file.isEditable) {
          const button = element("button", { type: "button", className: "quiet", textContent: text("edit") });
          button.setAttribute("aria-label", text("edit_named", { path: file.path }));
          button.addEventListener("click", () => edit(file));
          item.append(button);
        }
        item.append(remove);
        if (!file.bytes && !file.from) {
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
        const path = each.webkitRelativePath || each.name;
        const bytes = new Uint8Array(await each.arrayBuffer());
        const content = isArchive ? undefined : textOf(bytes);
        files = files.filter((other) => other.path !== path && !(isArchive && other.isArchive));
        files.push(content === undefined ? { path, bytes, isArchive } : { path, text: content });
      }
      note.textContent = text("files_added", { count: picked.length });
      show();
      changed();
    };

    pick.addEventListener("change", async () => { await take([...pick.files]); pick.value = ""; });
    panel.querySelector("[data-new]").addEventListener("click", () => {
      files.push({ path: `file${files.length + 1}.txt`, text: "" });
      show();
      changed();
      list.lastElementChild.querySelector("input").focus();
    });
    panel.addEventListener("dragover", (event) => event.preventDefault());
    panel.addEventListener("drop", (event) => { event.preventDefault(); take([...event.dataTransfer.files]); });

    const kept = new Map(editorContents.files.map((file) => [file.path, file]));
    editorParts.files = {
      // Only the size of files that are not text, because a draft does not store their bytes.
      read: () => files.map(({ path, text: content, from, bytes }) => (
        from ? { path, from } : content !== undefined ? { path, text: content } : { path, lost: bytes.length })),
      write: (written) => {
        files = [];
        let lost = 0;
        for (const file of written) {
          const path = String(file.path);
          const origin = kept.get(file.from);
          if (origin) files.push({ ...origin, path, from: file.from });
          else if (typeof file.text === "string") files.push({ path, text: file.text });
          else lost += 1;
        }
        note.textContent = lost ? text("files_not_in_draft", { count: lost }) : "";
        if (written.length) panel.open = true;
        show();
      },
    };
    editorParts.files.write(editorContents.files.map(({ path }) => ({ path, from: path })));
  });
})();
