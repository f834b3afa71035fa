"""Which file a Java program has to be in, and which class starts it.

javac wants a public type in a file of its name (JLS 7.6), and callers name their types as they like.
"""

import re
from dataclasses import dataclass

# Comments, text blocks, strings and characters: what may hold braces and keywords without meaning them.
_OPAQUE = re.compile(
    r'//[^\n]*|/\*.*?\*/|"""(?:\\.|.)*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)
_PACKAGE = re.compile(r"^\s*package\s+([\w.\s]+?)\s*;", re.MULTILINE)
_TYPE = re.compile(r"\b(?:class|interface|enum|record)\s+(\w+)")
_PUBLIC = re.compile(r"\bpublic\b")
_MAIN = re.compile(r"\bstatic\s+(?:\w+\s+)*void\s+main\s*\(")
_FALLBACK = "Main"
# A file's name has 255 bytes at most, its extension included (limits.h).
_LONGEST_NAME = 249


@dataclass(frozen=True, slots=True)
class JavaProgram:
    """The name of a program's source file without its extension, and the full name of its main class."""

    source_class: str
    main_class: str


def inspect(code: str) -> JavaProgram:
    """Find the public type, which names the file, and the first type with a main method, which starts.

    A program that does not compile gets names that let javac say why.
    """
    text = _OPAQUE.sub(" ", code)
    types = _top_level_types(text)
    source = next((name for name, is_public, _ in types if is_public and _names_a_file(name)), _FALLBACK)
    first = types[0][0] if types else _FALLBACK
    main = next((name for name, _, body in types if _MAIN.search(body)), first)
    package = _PACKAGE.search(text)
    prefix = re.sub(r"\s", "", package[1]) + "." if package else ""
    return JavaProgram(source, prefix + main)


def _names_a_file(name: str) -> bool:
    return len(name.encode()) <= _LONGEST_NAME


def _top_level_types(text: str) -> list[tuple[str, bool, str]]:
    """Return the name of each top-level type, whether it is public, and its body."""
    types = []
    depth = start = 0
    header = ""
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            if depth == 0:
                header, start = text[start : brace.start()], brace.end()
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                if declared := _TYPE.search(header):
                    types.append((declared[1], bool(_PUBLIC.search(header)), text[start : brace.start()]))
                start = brace.end()
    return types
