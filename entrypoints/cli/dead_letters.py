from dataclasses import asdict

import rich_click as click

from application.ports.dead_letters import DeadLetter, DeadLetters
from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.options import json_option, print_json
from entrypoints.cli.plain_text import printable
from entrypoints.cli.settings_report import load_limits, load_settings
from entrypoints.cli.tables import print_fields, print_table
from entrypoints.container import build_container

_LIMIT = 100


@click.group("dead-letters")
@click.pass_context
def command(context: click.Context) -> None:
    """Look at the messages in Redis that could not be handled, and put them back.

    A dead hint that work waits loses nothing: the next sweep announces the work again.
    """
    settings = load_settings()
    if settings.redis_url is None:
        raise Failure(
            "there are no dead letters to look at: the queue is inside the service's own process, "
            "for SERVICE_SERVER_REDIS_URL is not set"
        )
    context.obj = build_container(settings, load_limits()).dead_letters()


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=_LIMIT, show_default=True, help="How many.")
@json_option
@click.pass_obj
def list_them(dead_letters: DeadLetters, *, limit: int, as_json: bool) -> None:
    """List dead letters, those that died last first."""
    letters = dead_letters.latest(limit)
    if as_json:
        print_json([_data(letter) for letter in letters])
        return
    print_table(
        ("ID", "DIED AT", "MESSAGE", "ERROR"),
        (
            (letter.id, letter.died_at.isoformat(), letter.name, _last_line(letter.error))
            for letter in letters
        ),
    )


@command.command("show")
@click.argument("dead_id", metavar="ID")
@json_option
@click.pass_obj
def show(dead_letters: DeadLetters, dead_id: str, *, as_json: bool) -> None:
    """Show one dead letter and the error that it died of."""
    letter = dead_letters.get(dead_id)
    if letter is None:
        raise _unknown(dead_id)
    if as_json:
        print_json(_data(letter))
        return
    print_fields((name, value) for name, value in _data(letter).items() if name != "error")
    click.echo(printable(letter.error))


@command.command("requeue")
@click.argument("dead_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def requeue(dead_letters: DeadLetters, dead_ids: tuple[str, ...]) -> None:
    """Give dead letters to their handler once more."""
    for dead_id in dead_ids:
        if not dead_letters.requeue(dead_id):
            raise _unknown(dead_id)
        click.echo(f"requeued {dead_id}")


def _data(letter: DeadLetter) -> dict[str, object]:
    return {**asdict(letter), "died_at": letter.died_at.isoformat(), "body": dict(letter.body)}


def _last_line(error: str) -> str:
    return error.strip().rpartition("\n")[2]


def _unknown(dead_id: str) -> Failure:
    return Failure(f"there is no dead letter '{dead_id}'", ExitCode.FAILED)
