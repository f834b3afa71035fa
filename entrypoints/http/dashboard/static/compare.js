// The page of a comparison: shows the difference of two texts. Large outputs are compared up to a limit.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const read = async (url, bytes) => {
    const response = await fetch(url, { headers: { Range: `bytes=0-${bytes - 1}` } });
    // An empty output has no byte ranges.
    if (!response.ok && response.status !== 416) throw new Error(response.statusText);
    const whole = /\/(\d+)$/.exec(response.headers.get("content-range") || "");
    const isCut = whole !== null && Number(whole[1]) > bytes;
    const content = response.ok ? await response.text() : "";
    return { isCut, content: isCut ? content.slice(0, content.lastIndexOf("\n") + 1) || content : content };
  };

  const show = async (section) => {
    const note = section.querySelector("[role=status]");
    let texts = [...section.querySelectorAll("pre")].map((pre) => pre.textContent);
    const { hrefs, bytes } = section.dataset;
    if (hrefs) {
      try {
        const outputs = await Promise.all(hrefs.split(" ").map((url) => read(url, Number(bytes))));
        texts = outputs.map(({ content }) => content);
        if (outputs.some(({ isCut }) => isCut)) note.textContent = text("compared_beginning");
      } catch {
        note.textContent = text("compared_head_and_tail");
      }
    }
    const table = differenceTable(...texts, section.querySelector("h2").textContent);
    if (!table) note.textContent = `${text("no_difference")} ${note.textContent}`.trim();
    section.querySelector(".two-texts").replaceWith(table || "");
  };

  for (const section of document.querySelectorAll("[data-compare]")) show(section);
});
