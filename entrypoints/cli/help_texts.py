"""Help texts in the language of the terminal.

English is in the code, beside the option that it is about, and is the key of the other languages: a text
without a translation is shown in English.
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

# Files of texts, in the order in which they are read until one has a text: the help of the program itself
# needs the first ones alone.
FILES = ("framework", "program", "jobs", "operators")
_DIRECTORY = Path(__file__).parent / "help"
_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")


def translate(command: click.Command, context: click.Context) -> None:
    """Put the help texts of a command, its options and its subcommands into the language of the terminal."""
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
    """Return a help text as it is the key of its translations: without indentation and breaks of lines."""
    return _LINE_BREAK.sub(" ", inspect.cleandoc(text))


@cache
def help_texts(language: Language, file: str) -> Mapping[str, str]:
    """Return the help texts in a file of a language, by the English ones."""
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
