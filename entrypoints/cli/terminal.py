"""Output to the terminal: tables, fields, JSON and progress, with control characters escaped."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])

_KEPT = "\n\t"


def printable(text: str) -> str:
    """Escape the characters that a terminal would act on (ECMA-48 controls, Unicode's format characters)."""
    return "".join(c if c in _KEPT or _is_harmless(c) else _escape(c) for c in text)


def one_line(text: str) -> str:
    """Escape them and line breaks."""
    if text.isprintable():  # nearly every line of the log is, and is told so in a fiftieth of the time
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


def printable_json(data: object) -> str:
    """Write data as indented JSON, with the same as escapes of JSON's own (RFC 8259, 7)."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character == "\N{IDEOGRAPHIC SPACE}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    style: Callable[[Sequence[str]], str | None] = lambda _row: None,
) -> None:
    """Print rows: as a table to a terminal, and with tabs between their cells to anything else.

    Args:
        columns: Their heads.
        rows: The rows.
        style: Returns the style of a row on a terminal, None for the usual one.
    """
    texts = [[one_line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *texts):
            click.echo("\t".join(row))
        return
    from rich.console import Console  # noqa: PLC0415 - only terminals need it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in texts:
        table.add_row(*map(Text, row), style=style(row))
    Console().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print the fields that have a value below each other."""
    given = [(name, one_line(str(value))) for name, value in fields if value is not None]
    width = max((len(name) for name, _value in given), default=0)
    for name, value in given:
        click.echo(f"{name:<{width}}  {value}")


def json_option(function: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(data: object) -> None:
    """Print data as indented JSON, with nothing in it that would act on a terminal."""
    click.echo(printable_json(data))


class Progress:
    """A line of progress on stderr until there is output. Terminals only."""

    def __init__(self, message: str) -> None:
        self._status = None
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only terminals need it

            self._status = Console(stderr=True).status(message)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
