"""The question whether to go on, which commands ask before they delete or change many things."""

import sys

import rich_click as click

from domain.catalogue.text import Text, text
from entrypoints.cli.errors import ExitCode, Failure, in_language

yes_option = click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: Text, *, is_sure: bool) -> None:
    """Ask for confirmation on the terminal.

    Raises:
        Failure: The answer is no, or there is no terminal.
        KeyboardInterrupt: The question was answered with Ctrl-C.
    """
    if is_sure:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise Failure(text("cli.yes_needed", question=question), ExitCode.USAGE)
    try:
        is_sure = click.confirm(in_language(question), err=True)
    except click.Abort as abort:  # for Ctrl-C and for the end of the input
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise abort.__context__ from None
    if not is_sure:
        raise Failure(text("cli.unchanged"), ExitCode.FAILED)
