"""Help texts in the language of the terminal.

English is in the code, beside the option that it is about, and is the key of the other languages: a text
without a translation is shown in English.
"""

import inspect
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import rich_click as click

from domain.catalogue.language import Language, language_of_environment

_FILES = Path(__file__).parent / "help"


def translate(command: click.Command) -> None:
    """Put the help texts of a command, its options and its subcommands into the language of the terminal."""
    texts = help_texts(language_of_environment(os.environ))
    if texts:
        _translate(command, texts)


def translated(text: str) -> str:
    """Return a help text in the language of the terminal."""
    return help_texts(language_of_environment(os.environ)).get(text, text)


@cache
def help_texts(language: Language) -> Mapping[str, str]:
    """Return the help texts of a language by the English ones; none for English."""
    if language is Language.ENGLISH:
        return {}
    return tomllib.loads((_FILES / f"{language}.toml").read_text(encoding="utf-8"))


def _translate(command: click.Command, texts: Mapping[str, str]) -> None:
    command.help, command.epilog = _of(command.help, texts), _of(command.epilog, texts)
    for option in command.params:
        if isinstance(option, click.Option):
            option.help = _of(option.help, texts)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _translate(subcommand, texts)


def _of(text: str | None, texts: Mapping[str, str]) -> str | None:
    return text and texts.get(inspect.cleandoc(text), text)
