"""Frequencies of vague words in docstrings: `python -m tests.docstring_words DIRECTORY...`."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Each group is one figure.
FORMS: Mapping[str, str] = {
    "what": "what",
    **dict.fromkeys(("tell", "tells", "telling", "told"), "tell"),
    **dict.fromkeys(("say", "says", "saying", "said"), "say"),
    "those": "those",
    **dict.fromkeys(("nobody", "whoever", "whatever"), "nobody"),
}
GROUPS = tuple(dict.fromkeys(FORMS.values()))
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Frequencies:
    """Occurrences of each group in docstrings of so many words."""

    words: int
    occurrences: Mapping[str, int]

    def per_thousand(self, group: str) -> float:
        return 1000 * self.occurrences.get(group, 0) / max(1, self.words)


def sources(directories: Iterable[Path]) -> Iterator[Path]:
    for directory in directories:
        yield from sorted(directory.rglob("*.py"))


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def measure(paths: Iterable[Path]) -> Frequencies:
    words = [word.lower() for path in paths for _, text in docstrings(path) for word in _WORD.findall(text)]
    return Frequencies(len(words), Counter(FORMS[word] for word in words if word in FORMS))


def places(paths: Iterable[Path], group: str) -> Iterator[str]:
    """Each docstring that uses a group's words, as `path:line: first line`."""
    for path in paths:
        for line, text in docstrings(path):
            if any(FORMS.get(word.lower()) == group for word in _WORD.findall(text)):
                yield f"{path}:{line}: {text.splitlines()[0]}"


def main(directories: list[str]) -> None:
    for directory in directories:
        found = measure(sources([Path(directory)]))
        figures = "  ".join(f"{group} {found.per_thousand(group):5.2f}" for group in GROUPS)
        sys.stdout.write(f"{directory:40} {found.words:6} words  {figures}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
