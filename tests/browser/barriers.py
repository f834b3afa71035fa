"""Barriers of a page: violations that axe finds, texts that are cut, widths, and the keyboard's way."""

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parent / "axe" / "axe.min.js"
# On a phone, targets are 24 pixels wide and high.
_VIOLATIONS = """
async (parts) => (await axe.run(parts ? {include: parts} : document, {
    resultTypes: ["violations"], rules: {"target-size": {enabled: innerWidth < 760}},
})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => [found.id, found.nodes.map((node) => node.target.join(" "))])
"""
_CHECKS = Path(__file__).with_name("checks.js")
# At two hundred per cent a window of 1280 pixels has 640; 320 is what text has to flow into (WCAG 1.4.10).
_WIDE, _TABLET, _ZOOMED, _PHONE, _SMALL_PHONE, _NARROW = 1280, 800, 640, 390, 360, 320
_HEIGHT = 720
_SIZES = (
    (_WIDE, "light"),
    (_TABLET, None),
    (_ZOOMED, None),
    (_PHONE, "dark"),
    (_SMALL_PHONE, None),
    (_NARROW, None),
)


def find_violations(page: Page, parts: list[list[str]] | None = None) -> list[object]:
    """Return the serious faults that axe finds on a page, or on these parts of it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text())
    return page.evaluate(_VIOLATIONS, parts)


def find_barriers(page: Page) -> dict[str, object]:
    """Look at a page that was loaded, at each size and in both themes; empty if it has no barrier."""
    page.evaluate(_CHECKS.read_text())
    found: dict[str, object] = {}
    for width, theme in _SIZES:
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        page.evaluate("checks.open(true)")
        found[f"{width}: too wide by"] = page.evaluate("checks.overflow")
        found[f"{width}: cut"] = page.evaluate("checks.cut()")
        if theme:
            page.evaluate("checks.open(false)")
            page.emulate_media(color_scheme=theme)
            found[f"{width}: axe"] = find_violations(page)
            found[f"{width}: keyboard"] = _walk(page, "Tab" if width == _WIDE else "Shift+Tab")
    return {name: what for name, what in found.items() if what}


def _walk(page: Page, key: str) -> list[object]:
    """Press a key until the focus has left the page; return the stops not reached, or reached unseen."""
    stops = page.evaluate("checks.begin()")
    has_editor = page.evaluate("Boolean(document.querySelector('.CodeMirror'))")
    for pressed in range(stops + 20):
        if pressed >= stops and page.evaluate("checks.hasLeft"):
            break
        page.keyboard.press(key)
        if has_editor and page.evaluate("Boolean(document.activeElement.closest('.CodeMirror'))"):
            page.keyboard.press("Escape")
    return page.evaluate("[...checks.unreached, ...checks.hidden]")
