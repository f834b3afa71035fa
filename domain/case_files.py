"""Detection of the cases in an archive, by file names."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.catalogue.text import text
from domain.errors import InvalidValue

_INPUT_ENDINGS = frozenset({"in", "input"})
_ANSWER_ENDINGS = frozenset({"out", "ans", "output", "answer", "a"})
_INPUT_DIRECTORIES = frozenset({"in", "input", "inputs"})
_ANSWER_DIRECTORIES = frozenset({"out", "output", "outputs", "ans", "answer", "answers"})
_HIDDEN_DIRECTORIES = frozenset({"secret", "hidden"})
_NUMBER = re.compile(r"(\d+)")
# A directory that macOS adds to archives, and the prefix of the file names in it.
_MAC_DIRECTORY, _MAC_FILE = "__MACOSX", "._"
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """The files of one case in an archive.

    Attributes:
        name: Their path without extension, and without the directories that all cases share.
        stdin: The path of the input.
        expected: The path of the answer; None if there is none.
        hidden: Whether they are in a directory `secret` or `hidden`.
    """

    name: str
    stdin: str
    expected: str | None
    hidden: bool


def find_cases(paths: Iterable[str]) -> Sequence[CaseFiles]:
    """Find cases by file paths; return them in the natural order of their names, with 2 before 10.

    An input ends in `.in`, or is in a directory `in` or `input`. Its answer has the same path with `.out` or
    `.ans`, or with the directory `out`, `output` or `answer`. Other files, such as notes, are ignored.

    Raises:
        InvalidValue: There is no input, an answer has no input, or two files have the same case name.
    """
    inputs: dict[str, str] = {}
    answers: dict[str, str] = {}
    for path in paths:
        for found, endings, directories in (
            (inputs, _INPUT_ENDINGS, _INPUT_DIRECTORIES),
            (answers, _ANSWER_ENDINGS, _ANSWER_DIRECTORIES),
        ):
            name = _name_of(path, endings, directories)
            if name is not None:
                if name in found:
                    raise InvalidValue(
                        "archive",
                        text("problems.archive_same_case", path=_shown(path), other=_shown(found[name])),
                    )
                found[name] = path
                break
    if not inputs:
        raise InvalidValue("archive", text("problems.archive_without_input"))
    for name, path in answers.items():
        if name not in inputs:
            raise InvalidValue("archive", text("problems.archive_answer_alone", path=_shown(path)))
    common = _common_directories(inputs)
    cases = (
        CaseFiles(name[len(common) :], path, answers.get(name), _is_hidden(name))
        for name, path in inputs.items()
    )
    return sorted(cases, key=lambda case: natural_key(case.name))


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that compares the numbers in texts by value."""
    parts = _NUMBER.split(text)
    digits = [part.lstrip("0") if index % 2 else "" for index, part in enumerate(parts)]
    return tuple((index % 2, len(digits[index]), digits[index] or part) for index, part in enumerate(parts))


def _name_of(path: str, endings: frozenset[str], directories: frozenset[str]) -> str | None:
    """Return the name of the case that a file belongs to; None if it belongs to none."""
    *parents, file = path.split("/")
    if _MAC_DIRECTORY in parents or file.startswith(_MAC_FILE):
        return None
    stem, dot, ending = file.rpartition(".")
    if dot and stem and ending.lower() in endings:
        return "/".join([*parents, stem])
    if dot and ending.lower() in _INPUT_ENDINGS | _ANSWER_ENDINGS:
        return None
    for index in reversed(range(len(parents))):
        if parents[index].lower() in directories:
            return "/".join([*parents[:index], *parents[index + 1 :], stem if dot and stem else file])
    return None


def _common_directories(names: Iterable[str]) -> str:
    """Return the directory that contains all cases, with a trailing slash; empty if there is none."""
    paths = [name.split("/")[:-1] for name in names]
    common = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return "".join(f"{each}/" for each in common)


def _is_hidden(name: str) -> bool:
    return any(part.lower() in _HIDDEN_DIRECTORIES for part in name.split("/")[:-1])


def _shown(path: str) -> str:
    text = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
    return f"'{''.join(each if each.isprintable() else '�' for each in text)}'"
