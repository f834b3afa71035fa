// What keeps somebody from using a page, found by measuring the page as it is shown.
"use strict";
globalThis.checks = (() => {
  const STOPS = 'a[href], button, input, select, textarea, summary, iframe, [tabindex]:not([tabindex="-1"])';
  const named = (element) => {
    const [{ className, localName, id }, text] = [element, element.textContent.trim().slice(0, 30)];
    return `${localName}${id ? `#${id}` : ""}${typeof className === "string" && className ? `.${className}` : ""} ${text}`.trim();
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const isOfEditor = (element) => Boolean(element.closest(".CodeMirror"));
  const isTitled = (element) => Boolean(element.closest("[title]"));

  // The axis of a box that lets a text beyond its edge be neither seen nor scrolled to.
  const isCutBy = (box, text) => {
    const style = getComputedStyle(box), edge = box.getBoundingClientRect();
    const isHidden = (overflow, least) => overflow === "clip" || (overflow === "hidden" && least > 1);
    if (style.clipPath !== "none") return false;  // for screen readers alone
    return (isHidden(style.overflowX, edge.width) && (text.right > edge.right + 1 || text.left < edge.left - 1))
      || (isHidden(style.overflowY, edge.height) && (text.bottom > edge.bottom + 1 || text.top < edge.top - 1));
  };
  const isScrolled = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);

  const isCut = (element, node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = range.getBoundingClientRect();
    if (!text.width) return false;
    for (let box = element; box && box !== document.documentElement; box = box.parentElement) {
      if (isScrolled(box)) return false;
      if (isCutBy(box, text)) return getComputedStyle(box).clipPath === "none" && !isTitled(element);
    }
    return text.right > document.documentElement.clientWidth + 1 || text.left < -1;
  };

  const checks = {
    hasLeft: true,

    // Texts of which a part is out of sight and cannot be scrolled to.
    cut() {
      const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || element.closest("script, style, noscript, select, svg, .visually-hidden, .skip") || isOfEditor(element) || !isShown(element)) continue;
        if (isCut(element, node)) found.push(named(element));
      }
      return found;
    },

    // By how much the page is wider than its window.
    get overflow() { return Math.max(document.documentElement.scrollWidth - document.documentElement.clientWidth, 0); },

    // Opens what is folded; menus, which lie above other things, are closed for what looks at those.
    async open(areMenusOpen) {
      for (const details of document.querySelectorAll("details")) details.open = areMenusOpen || !details.matches(".menu");
      // Scripts have answered a change of the window's size after its next frame.
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
    },

    // Numbers what the tabulator key has to reach, and returns how many there are.
    begin() {
      // A page in the background does not refresh itself: what is numbered stays.
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      scrollTo(0, 0);
      document.activeElement?.blur();
      const stops = [...document.querySelectorAll(STOPS)].filter((element) => (
        element.tabIndex >= 0 && !element.disabled && element.type !== "hidden" && !element.closest("[inert]") && isShown(element)
        && (element.type !== "radio" || element.checked)));
      this.stops = new Map(stops.map((element) => [element, { isReached: false }]));
      [this.hidden, this.last, this.hasLeft] = [[], null, false];
      return stops.length;
    },

    // Looks at what has the focus; returns whether that is a part of the page, and no stop of before. Dates have several.
    reach() {
      const element = document.activeElement, stop = this.stops.get(element);
      if (element && element === this.last) return true;
      this.last = element;
      if (!element || element === document.body || stop?.isReached) return false;
      if (stop) stop.isReached = true;
      if (!this.isSeen(element)) this.hidden.push(`focus not seen: ${named(element)}`);
      return true;
    },

    // Whether the focus on an element has a mark, and the element is not below another one.
    isSeen(element) {
      const marked = element.closest(".CodeMirror-focused") || element, { outlineStyle, outlineWidth } = getComputedStyle(marked);
      if (outlineStyle === "none" || parseFloat(outlineWidth) < 1) return false;
      const { left, right, top, bottom } = marked.getBoundingClientRect();
      const [from, to] = [Math.max(top, 0), Math.min(bottom, innerHeight)];
      if (to <= from) return false;
      const isOnTop = (x, y) => {
        const seen = document.elementFromPoint(x, y);
        return Boolean(seen) && (marked.contains(seen) || seen.contains(marked) || seen.closest("label")?.contains(marked));
      };
      return [0.1, 0.5, 0.9].some((part) => isOnTop(Math.min(Math.max((left + right) / 2, 1), innerWidth - 1), from + (to - from) * part));
    },

    get unreached() { return [...this.stops].filter(([element, { isReached }]) => !isReached && element.isConnected).map(([element]) => `not reached: ${named(element)}`); },
  };
  // To ask after each press from outside would take longer than the press.
  addEventListener("keyup", ({ key }) => { if (key === "Tab" && !checks.hasLeft) checks.hasLeft = !checks.reach(); }, true);
  return checks;
})();
