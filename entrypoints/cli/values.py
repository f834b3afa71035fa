"""Types of option values, whose refusals name the allowed values."""

import math
import re
from difflib import get_close_matches

import rich_click as click
from click.shell_completion import CompletionItem

from domain.catalogue.figures import read_duration
from domain.catalogue.text import Text, text
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus
from domain.language import ALIASES, LANGUAGES, parse_language
from domain.submission import is_tag_name
from entrypoints.cli.errors import ExitCode, Failure, in_language


class LanguageName(click.ParamType[str]):
    """The name or an alias of a language."""

    name = "language"

    def convert(self, value: str, _param: click.Parameter | None, _ctx: click.Context | None) -> str:
        """Return the name of the language.

        Raises:
            Failure: There is no such language.
        """
        try:
            return parse_language(value).name
        except InvalidValue:
            raise Failure(_refusal(value), ExitCode.USAGE) from None

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the languages that begin with the incomplete word."""
        return [CompletionItem(name) for name in LANGUAGES if name.startswith(incomplete.lower())]


class Tag(click.ParamType[tuple[str, str]]):
    """A name and a value, as NAME=VALUE or NAME:VALUE."""

    name = "tag"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Parse a tag."""
        if isinstance(value, tuple):
            return value
        name, *rest = re.split("[=:]", value, maxsplit=1)
        if not rest or not is_tag_name(name):
            self.fail(in_language(text("cli.not_a_tag", given=value)), param, ctx)
        return name, rest[0]


class Seconds(click.ParamType[float]):
    """A time with a unit, or in seconds.

    Args:
        maximum: The longest time, in seconds; None for any time above zero.
    """

    name = "time"

    def __init__(self, maximum: float | None = None) -> None:
        self._maximum = maximum

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a time; return it in seconds."""
        try:
            seconds = float(value)
        except ValueError:
            try:
                seconds = read_duration(str(value)) / 1_000
            except ValueError:
                self.fail(in_language(text("cli.not_seconds", given=value)), param, ctx)
        if self._maximum is None and not 0 < seconds < math.inf:
            self.fail(in_language(text("cli.seconds_range", given=value)), param, ctx)
        if self._maximum is not None and not 0 <= seconds <= self._maximum:
            self.fail(in_language(text("cli.seconds_to", given=value, maximum=self._maximum)), param, ctx)
        return seconds


class Choice(click.Choice[str]):
    """One of several words. The refusal of another word suggests a similar one."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:  # noqa: ARG002 - called by the framework
        """Return the message that refuses a word."""
        words = [choice if self.case_sensitive else choice.lower() for choice in self.choices]
        choices = ", ".join(f"'{word}'" for word in words)
        similar = get_close_matches(str(value) if self.case_sensitive else str(value).lower(), words, 1)
        if not similar:
            return in_language(text("cli.not_a_choice", given=value, choices=choices))
        return in_language(text("cli.not_a_choice_similar", given=value, choices=choices, similar=similar[0]))


STATUSES = Choice([status.value for status in JobStatus], case_sensitive=False)


def _refusal(name: str) -> Text:
    known = ", ".join(LANGUAGES)
    similar = get_close_matches(name.lower(), [*LANGUAGES, *ALIASES], 1)
    if similar:
        return text("cli.no_language_similar", name=name, similar=similar[0], known=known)
    return text("cli.no_language", name=name, known=known)
