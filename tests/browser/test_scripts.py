"""Scripts of the pages that compute something, by themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import entrypoints.http.dashboard

STATIC = Path(entrypoints.http.dashboard.__file__).parent / "static"
# Each would take minutes if the time were not bounded by the size.
LARGE = 400_000
FILES = {
    "main.c": "#L", "main.py": "#L", "my file.py": "#my%20file.py:L", "src/util.py": "#src/util.py:L",
    "Main.java": "#L", "com/acme/Util.java": "#U", "main.go": "#L", "main.rs": "#L", "main.js": "#L",
    "main.ts": "#L", "main.rb": "#L", "main.php": "#L", "main.pl": "#L", "main.sh": "#L",
    "a/x.py": "#a", "b/x.py": "#b",
}  # fmt: skip
POSITIONS = [
    ("main.c:3:5: error: expected ';'", [("main.c:3:5", "main.c", 3, 5)]),
    ("In file included from main.c:1:", [("main.c:1", "main.c", 1, None)]),
    ('  File "/box/main.py", line 3, in f', [('/box/main.py", line 3', "main.py", 3, None)]),
    ('  File "my file.py", line 7', [('my file.py", line 7', "my file.py", 7, None)]),
    ('  File "/box/src/util.py", line 9', [('/box/src/util.py", line 9', "src/util.py", 9, None)]),
    ("Main.java:3: error: ';' expected", [("Main.java:3", "Main.java", 3, None)]),
    ("\tat com.acme.Util.run(Util.java:30)", [("Util.java:30", "com/acme/Util.java", 30, None)]),
    ("\tat java.base/java.util.Scanner.next(Scanner.java:1)", []),
    ("./main.go:5:2: undefined: x", [("./main.go:5:2", "main.go", 5, 2)]),
    ("\t/box/main.go:5 +0x1d", [("/box/main.go:5", "main.go", 5, None)]),
    (" --> main.rs:2:5", [("main.rs:2:5", "main.rs", 2, 5)]),
    ("    at f (/box/main.js:3:7)", [("/box/main.js:3:7", "main.js", 3, 7)]),
    ("file:///box/main.js:1:7", [("///box/main.js:1:7", "main.js", 1, 7)]),
    ("    at node:internal/modules/cjs/loader:1145:15", []),
    ("main.ts(3,5): error TS2322", [("main.ts(3,5)", "main.ts", 3, 5)]),
    ("main.rb:3:in 'f': x (NameError)", [("main.rb:3", "main.rb", 3, None)]),
    ("#0 main.php(5): f()", [("main.php(5)", "main.php", 5, None)]),
    ("  thrown in main.php on line 3", [("main.php on line 3", "main.php", 3, None)]),
    ("Died at main.pl line 3.", [("main.pl line 3", "main.pl", 3, None)]),
    ("main.sh: line 3: foo: command not found", [("main.sh: line 3", "main.sh", 3, None)]),
    ("/usr/lib/python3/main.py:3", []),  # a file of the system with the name of one of the job
    ("other/main.py:3", []),
    ("x.py:3", []),  # there are two
    ("/box/a/x.py:3", [("/box/a/x.py:3", "a/x.py", 3, None)]),
    ("constructor:3 __proto__:3", []),
    ("main.py:3 main.py:4", [("main.py:3", "main.py", 3, None), ("main.py:4", "main.py", 4, None)]),
]
DIFFERENCES = [
    ("a\nb\nc\n", "a\nb\nc\n", []),
    ("a\nb\nc\n", "a\nx\nc\n", [(1, 2, 1, 2)]),
    ("a\nb\nc\n", "a\nc\n", [(1, 2, 1, 1)]),
    ("", "a\n", [(0, 0, 0, 1)]),
    # A block that moved.
    ("1\n2\n3\n4\nf\ng\n", "f\ng\n1\n2\n3\n4\n", [(0, 0, 0, 2), (4, 6, 6, 6)]),
    # Without a line that occurs once.
    ("a\nb\na\nb\n", "b\na\nb\na\n", [(0, 1, 0, 0), (4, 4, 3, 4)]),
]


@pytest.fixture(scope="module")
def scripts(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    for name in ("text", "difference", "positions"):
        page.add_script_tag(path=STATIC / f"{name}.js")
    yield page
    page.close()


def test_positions_of_compilers_and_tracebacks_are_found(scripts: Page):
    found = scripts.evaluate(
        """([lines, files]) => lines.map((line) => positionsIn(line, files).map(
            ({ begin, end, path, line: at, column }) => [line.slice(begin, end), path, at, column]))""",
        [[line for line, _positions in POSITIONS], FILES],
    )

    assert [[tuple(each) for each in positions] for positions in found] == [each for _line, each in POSITIONS]


@pytest.mark.parametrize("part", ["a", "a:", "a:1", 'File "', "/", "a/", "main.py ", "main.py:3 ", '"'])
def test_a_long_line_takes_no_time_to_speak_of(scripts: Page, part: str):
    found = scripts.evaluate(
        "([part, count, files]) => positionsIn(part.repeat(count), files).length", [part, LARGE, FILES]
    )

    assert found == (100 if part == "main.py:3 " else 0)


def test_differences_are_by_lines(scripts: Page):
    found = scripts.evaluate(
        """(pairs) => pairs.map(([before, after]) => lineDifference(before, after).changes.map(
            ({ begin, end, from, to }) => [begin, end, from, to]))""",
        [pair[:2] for pair in DIFFERENCES],
    )

    assert [[tuple(change) for change in changes] for changes in found] == [pair[2] for pair in DIFFERENCES]


def test_the_difference_makes_one_text_of_the_other(scripts: Page):
    assert scripts.evaluate(
        """() => {
            let seed = 1;
            const random = (count) => (seed = (seed * 1103515245 + 12345) % 2147483648) % count;
            const made = () => Array.from({ length: random(30) }, () => `line ${random(6)}`).join("\\n");
            for (let round = 0; round < 2000; round++) {
                const { before, after, changes } = lineDifference(made(), made());
                let line = 0, result = [];
                for (const { begin, end, from, to } of changes) {
                    result = [...result, ...before.slice(line, begin), ...after.slice(from, to)];
                    line = end;
                }
                result = [...result, ...before.slice(line)];
                if (result.join("\\n") !== after.join("\\n")) return [before, after];
            }
            return true;
        }"""
    )


@pytest.mark.parametrize(
    "texts",
    [
        "[(line) => line % 2, (line) => line % 3]",
        "[(line) => line, (line) => line * 7919 % 100000]",
        "[(line) => line >> 1, (line) => (100000 - line) >> 1]",
    ],
)
def test_the_difference_of_large_texts_takes_no_time_to_speak_of(scripts: Page, texts: str):
    assert scripts.evaluate(
        f"""() => lineDifference(...{texts}.map((line) => (
            Array.from({{ length: 100000 }}, (_nothing, at) => line(at)).join("\\n")))).changes.length"""
    )


def test_code_is_highlighted_by_lines_up_to_a_bound(browser: Browser):
    modes = '{"python": {"mode": "python", "scripts": []}}'
    page = browser.new_page()
    page.set_content(f'<script type="application/json" id="modes">{modes}</script>')
    for name in ("vendor/codemirror/runmode-standalone", "vendor/codemirror/python", "highlight"):
        page.add_script_tag(path=STATIC / f"{name}.js")

    shown = page.evaluate(
        """async (texts) => Promise.all(texts.map(async ([code, language]) => {
            const lines = await highlightedLines(code, language);
            const part = (node) => [node.className || "", node.textContent];
            return lines && lines.map((line) => [...line.childNodes].map(part));
        }))""",
        [
            ["\nif x:  # <b>\n", "python"],
            ["if x", "none"],
            ["x = 1\n" * LARGE, "python"],
            ["x" * 10_000, "python"],
        ],
    )

    line = [
        ["cm-keyword", "if"],
        ["", " "],
        ["cm-variable", "x"],
        ["", ":"],
        ["", "  "],
        ["cm-comment", "# <b>"],
    ]
    assert shown == [[[], line, []], None, None, None]
    page.close()
