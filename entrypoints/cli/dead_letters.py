"""The command `dead-letters`, which lists, shows and requeues completions that could not be processed."""

from typing import Any

import rich_click as click

from application.ports.dead_letter_store import DeadLetter, DeadLetterStore
from domain.catalogue.text import text
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.terminal import (
    json_option,
    list_options,
    print_fields,
    print_json,
    print_table,
    printable,
    say,
)
from entrypoints.container import build_container


@click.group("dead-letters")
@click.pass_context
def command(context: click.Context) -> None:
    """Inspect completions that could not be processed, and requeue them.

    Engines report completions by message with Redis only: without it, there are no dead letters.
    """
    context.obj = build_container(load_settings(), load_limits()).dead_letters()
    if context.obj is None:
        raise Failure(text("cli.no_dead_letters"), ExitCode.FAILED)


@command.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of results."
)
@list_options
@click.pass_obj
def list_letters(dead_letters: DeadLetterStore, *, limit: int, as_json: bool) -> None:
    """List dead letters, newest first."""
    letters = [_fields(letter) for letter in dead_letters.latest(limit)]
    if as_json:
        print_json(letters)
        return
    columns = (Column.ID, Column.NAME, Column.QUEUE, Column.DIED_AT)
    print_table(columns, ([letter[name] for name in columns] for letter in letters))


@command.command("show")
@click.argument("letter_id", metavar="ID")
@json_option
@click.pass_obj
def show(dead_letters: DeadLetterStore, *, letter_id: str, as_json: bool) -> None:
    """Show a dead letter with the error of its handler."""
    letter = dead_letters.get(letter_id)
    if letter is None:
        raise _unknown(letter_id)
    fields = _fields(letter)
    if as_json:
        print_json(fields)
        return
    error = fields.pop("error")
    print_fields(fields.items())
    click.echo(f"\n{printable(error)}")


@command.command("requeue")
@click.argument("letter_id", metavar="ID")
@click.pass_obj
def requeue(dead_letters: DeadLetterStore, *, letter_id: str) -> None:
    """Requeue a dead letter."""
    if not dead_letters.requeue(letter_id):
        raise _unknown(letter_id)
    say(text("cli.requeued", id=letter_id))


def _fields(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "name": letter.name,
        "queue": letter.queue,
        "died_at": letter.died_at.isoformat(),
        "body": dict(letter.body),
        "error": letter.error,
    }


def _unknown(letter_id: str) -> Failure:
    return Failure(text("cli.unknown_letter", id=letter_id), ExitCode.FAILED)
