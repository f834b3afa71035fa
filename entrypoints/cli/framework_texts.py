"""The framework's own texts in the language of the terminal: headings of help, hints and refusals.

click marks its texts for gettext, whose catalogues are compiled. This module looks them up in the help texts
instead. Texts of newer versions of click, which have no translation, are shown in English.
"""

import gettext
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import rich_click as click

from domain.catalogue.language import Language, language_of_environment
from entrypoints.cli.help_texts import translated

if TYPE_CHECKING:
    from rich.markdown import Markdown
    from rich.style import StyleType
    from rich.text import Text

# click uses the names of types also as metavars, which are the same in every language.
TYPE_NAMES = frozenset({"file", "directory", "path"})
# rich breaks lines only at white space. This character counts as white space, has no width and occurs in no
# text.
_BREAK = "\x1f"
# A Japanese line may end after kana, kanji and their punctuation, and before kana, kanji and opening
# brackets, except for characters that must not begin or end a line (JLREQ, "Line Breaking Rules").
_AFTER, _BEFORE = "ぁ-んァ-ヺー一-龠、。）」", "ぁ-んァ-ヺ一-龠（「"  # noqa: RUF001 - Japanese
_BEGIN_NO_LINE = r"\s:;,.!?)、。：？！）」ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"  # noqa: RUF001 - Japanese
_END_NO_LINE = r"\s(（「"  # noqa: RUF001 - Japanese
_LINE_MAY_END = re.compile(
    rf"(?:(?<=[{_AFTER}])|(?<=[^{_END_NO_LINE}])(?=[{_BEFORE}]))(?=[^{_BEGIN_NO_LINE}])"
)
# The settings of rich-click that are texts.
_SETTINGS = (
    *("arguments_panel_title", "options_panel_title", "commands_panel_title", "errors_panel_title"),
    *("default_string", "envvar_string", "required_long_string", "aborted_text"),
    *("deprecated_string", "deprecated_with_reason_string"),
)


def translate_framework() -> None:
    """Make click look up its texts here, unless the language of the terminal is English."""
    if language_of_environment(os.environ) is Language.ENGLISH:
        return
    for name in [name for name in sys.modules if name.startswith("click.")]:
        names = vars(sys.modules[name])
        for own, found in tuple(names.items()):
            if found is gettext.gettext:
                names[own] = _translated
            elif found is gettext.ngettext:
                names[own] = _translated_plural


def _translated(text: str) -> str:
    return text if text in TYPE_NAMES else translated(text)


def _translated_plural(singular: str, plural: str, count: int) -> str:
    return translated(singular if count == 1 else plural)


class TranslatedFormatter(click.RichHelpFormatter):
    """Writes help and refusals with the framework's texts in the language of the terminal."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed on unchanged
        super().__init__(*args, **options)
        for setting in _SETTINGS:
            setattr(self.config, setting, translated(getattr(self.config, setting)))

    def rich_text(self, text: "str | Text | Markdown", style: "StyleType" = "") -> "Text | Markdown":
        """Return a text whose lines may also be broken where there are no spaces, as in Japanese."""
        from rich.text import Text  # noqa: PLC0415 - only help needs it

        if isinstance(text, str):
            text = _LINE_MAY_END.sub(_BREAK, text)
        shown = super().rich_text(text, style)
        if isinstance(shown, Text):
            shown.overflow = "fold"
        return shown

    def getvalue(self) -> str:
        """Return the written text, without the marks of possible line breaks."""
        return super().getvalue().replace(_BREAK, "")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, prefix or translated("Usage:"))

    def write_error(self, e: click.ClickException) -> None:
        """Write a refusal, with the command that shows the help."""
        context = e.ctx if isinstance(e, click.UsageError) else None
        if context is not None and context.help_option_names:
            hint = translated("Try '{command} {option}' for help.")
            shown = hint.format(command=context.command_path, option=context.help_option_names[0])
            self.config.errors_suggestion = self.highlighter(shown)
        super().write_error(e)


class TranslatedContext(click.RichContext):
    """The context of commands whose help and refusals are in the language of the terminal."""

    formatter_class = TranslatedFormatter


def use_translated_words(command: click.Command) -> None:
    """Make a command and its subcommands write help and refusals in the language of the terminal."""
    command.context_class = TranslatedContext
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            use_translated_words(subcommand)
