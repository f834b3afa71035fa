"""The colours of output on pages: readable in both themes, on each background that a program can choose."""

import re
from itertools import product
from pathlib import Path

import pytest

import entrypoints.http.dashboard

STATIC = Path(entrypoints.http.dashboard.__file__).parent / "static"
# WCAG 2.2, 1.4.3.
READABLE = 4.5
Colour = tuple[float, float, float]
THEMES = ("light", "dark")


def tokens(theme: str) -> dict[str, Colour]:
    """Colours of a theme by the names of their variables, and of rules by `rule:property`."""
    text = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("app.css", "output.css"))
    pairs = re.findall(r"([\w-]+): light-dark\((#\w+), (#\w+)\)", text)
    found = {name: parsed(light if theme == "light" else dark) for name, light, dark in pairs}
    for rule in ("mark", ".row.marked"):
        light, dark = re.findall(rf"\.output {re.escape(rule)} {{[^}}]*light-dark\((#\w+), (#\w+)\)", text)[0]
        found[rule] = parsed(light if theme == "light" else dark)
    return found


def parsed(colour: str) -> Colour:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def mixed(one: Colour, share: float, other: Colour) -> Colour:
    red, green, blue = (a * share + b * (1 - share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_is_readable_on_every_background(theme: str):
    named = tokens(theme)
    ground = named["--ground"]
    colours = {name: named[name] for name in [*(f"--ansi-{number}" for number in range(16)), "--text"]}
    share = (
        int(re.findall(r"\.bg-0 {.*\) (\d+)%", (STATIC / "output.css").read_text(encoding="utf-8"))[0]) / 100
    )
    grounds = {
        "ground": ground,
        "stderr": mixed(named["--failed"], 0.07, ground),
        "marked": named[".row.marked"],
        "mark": named["mark"],
        **{
            f"on {name}": mixed(colour, share, ground) for name, colour in colours.items() if name != "--text"
        },
    }

    poor = {
        (colour, place): round(contrast(colours[colour], grounds[place]), 2)
        for colour, place in product(colours, grounds)
        if contrast(colours[colour], grounds[place]) < READABLE
    }

    assert poor == {}


@pytest.mark.parametrize("theme", THEMES)
def test_names_and_numbers_are_readable(theme: str):
    named = tokens(theme)
    stderr = mixed(named["--failed"], 0.07, named["--ground"])

    assert contrast(named["--muted"], named["--ground"]) >= READABLE
    assert contrast(named["--muted"], named["--raised"]) >= READABLE
    assert contrast(named["--failed"], stderr) >= READABLE
    assert contrast(named["--failed"], named[".row.marked"]) >= READABLE


def test_every_class_of_a_style_has_a_rule():
    rules = (STATIC / "output.css").read_text(encoding="utf-8")
    names = re.findall(
        r'"(\w+)"', re.findall(r"const FLAGS = (.*);", (STATIC / "terminal.js").read_text())[0]
    )

    missing = [
        name
        for name in [*names, "reversed", *(f"{kind}-{n}" for kind in ("fg", "bg") for n in range(16))]
        if f".output .{name} {{" not in rules
    ]

    assert len(names) == 6
    assert missing == []
