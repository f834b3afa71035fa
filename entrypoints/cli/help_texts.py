"""Help texts in the language of the terminal.

The English text is in the code, beside its option, and is the key of the translations. A text without a
translation is shown in English.
"""

import inspect
import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import rich_click as click

from domain.catalogue.language import Language, language_of_environment

# The files of texts, which are searched in this order. The program's own help needs only the first ones.
FILES = ("framework", "program", "jobs", "operators")
_DIRECTORY = Path(__file__).parent / "help"
_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")


def translate(command: click.Command, context: click.Context) -> None:
    """Translate the help texts of a command, its options and its subcommands for the terminal."""
    if language_of_environment(os.environ) is not Language.ENGLISH:
        _translate(command, context)


def translated(text: str) -> str:
    """Return a help text in the language of the terminal."""
    language = language_of_environment(os.environ)
    if language is Language.ENGLISH:
        return text
    key = key_of(text)
    tables = (help_texts(language, file) for file in FILES)
    return next((table[key] for table in tables if key in table), text)


def key_of(text: str) -> str:
    """Return the key of a help text's translations: the text without indentation and line breaks."""
    return _LINE_BREAK.sub(" ", inspect.cleandoc(text))


@cache
def help_texts(language: Language, file: str) -> Mapping[str, str]:
    """Return the help texts in a file of a language, by their keys."""
    return tomllib.loads((_DIRECTORY / language / f"{file}.toml").read_text(encoding="utf-8"))


def _translate(command: click.Command, context: click.Context) -> None:
    command.help = command.help and translated(command.help)
    command.epilog = command.epilog and translated(command.epilog)
    for option in (*command.params, command.get_help_option(context)):
        if isinstance(option, click.Option):
            option.help = option.help and translated(option.help)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _translate(subcommand, context)
