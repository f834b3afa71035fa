"""The commands in documents exist, with their options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich_click as click

from entrypoints.cli.main import service_server

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
# A stack, a release and a secret can have the program's name.
_OTHERS = r"(?<![\w./=-])(?<!name )(?<!install )(?<!generic )"
# A command ends with the line, the text in backticks, a comment, or at another command.
_COMMAND = re.compile(_OTHERS + r"(?:\.venv/bin/)?service-server ((?:--)?[a-z][^\n`#|<>;&(){}]*)")
_OPTION = re.compile(r"\[?(--?[a-z][a-z-]*)")


def commands(document: Path) -> Iterator[list[str]]:
    """Yield the words of each command in a document."""
    text = document.read_text().replace("\\\n", " ")
    for words in _COMMAND.findall(text):
        yield shlex.split(words.replace("'", " "))


def faults(words: list[str]) -> Iterator[str]:
    """Yield the words that are no command and no option of the one before them."""
    command, rest = service_server, words
    while isinstance(command, click.Group) and rest and not rest[0].isupper():
        context = click.Context(command)
        names = rest[0].rstrip(".,:").split("|")
        try:
            found = [command.resolve_command(context, [name])[1] for name in names]
        except click.UsageError:
            yield rest[0]
            return
        command, rest = found[0], rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = rest[: rest.index("--")] if "--" in rest else rest
    yield from (
        found[1]
        for word in given
        if (found := _OPTION.fullmatch(word.partition("=")[0].rstrip("].,")))
        and found[1] not in {*known, "--help"}
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_document_exist_with_their_options(document):
    found = {" ".join(words): list(faults(words)) for words in commands(document)}

    assert {command: wrong for command, wrong in found.items() if wrong} == {}


def test_an_unknown_command_or_option_is_found():
    assert list(faults(["keys", "rotate", "--server", "ID"])) == ["--server"]
    assert list(faults(["--server", "https://run.example.com", "keys"])) == ["--server"]
    assert list(faults(["run", "--", "--server-of-the-program"])) == []
