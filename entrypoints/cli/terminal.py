"""Output to the terminal: tables, fields, JSON and progress, with control characters escaped."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import rich_click as click

from domain.catalogue.text import Text as CatalogueText
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import in_language

if TYPE_CHECKING:
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

_HEADER = "service-server.header"
_JSON = "service-server.json"
_KEPT = "\n\t"
_API_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)


def printable(text: str) -> str:
    """Escape characters that a terminal would act on (ECMA-48 controls, Unicode's format characters)."""
    return "".join(c if c in _KEPT or _is_harmless(c) else _escape(c) for c in text)


def one_line(text: str) -> str:
    """Escape characters that a terminal would act on, and line breaks."""
    if text.isprintable():  # true for nearly every log line, and fifty times as fast
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


def printable_json(data: object) -> str:
    """Return data as indented JSON, with the same characters escaped by JSON's escapes (RFC 8259, 7)."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character == "\N{IDEOGRAPHIC SPACE}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


@dataclass(frozen=True, slots=True)
class Styled:
    """A cell with a style on a terminal."""

    text: str
    style: str | None

    def __str__(self) -> str:
        return self.text


def print_table(
    columns: Iterable[Column],
    rows: Iterable[Sequence[object]],
    style: Callable[[Sequence[str]], str | None] = lambda _row: None,
    *,
    is_part: bool = False,
    whole: int = 1,
) -> None:
    """Print rows as a table on a terminal, and as tab-separated lines elsewhere.

    Args:
        columns: The columns. Outside of terminals, their headings are in English.
        rows: The rows. Texts of the catalogue are in the language of the terminal, and in English elsewhere.
        style: Returns the style of a row on a terminal by its English texts; None for the default.
        is_part: Whether the table is a part of a report, which always has headings. Other tables have
            headings only on terminals and with --header.
        whole: The number of leading columns that are neither cut nor folded on a terminal.
    """
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - only terminals need it

        Console().print(table_of(columns, rows, style, whole=whole))
        return
    if is_part or _has_header():
        click.echo("\t".join(str(column.head) for column in columns))
    for row in rows:
        click.echo("\t".join(_texts(row)))


def table_of(
    columns: Iterable[Column],
    rows: Iterable[Sequence[object]],
    style: Callable[[Sequence[str]], str | None] = lambda _row: None,
    *,
    whole: int = 1,
) -> "Table":
    """Return a table for a terminal, with local times. The first columns are neither cut nor folded."""
    from rich.table import Table  # noqa: PLC0415 - only terminals need it
    from rich.text import Text  # noqa: PLC0415

    gap = 2 if whole == 1 else 1  # ids leave little room
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(in_language(column.head), no_wrap=place < whole, overflow="fold")
    for row in rows:
        texts = [_local(cell) for cell in _texts(map(_shown, row))]
        styles = [cell.style or "" if isinstance(cell, Styled) else "" for cell in row]
        table.add_row(*map(Text, texts, styles), style=style(_texts(row)))
    return table


def _shown(cell: object) -> object:
    return in_language(cell) if isinstance(cell, CatalogueText) else cell


def _texts(row: Iterable[object]) -> list[str]:
    return [one_line("" if cell is None else str(cell)) for cell in row]


def _local(cell: str) -> str:
    """Return a time of the API in the local time zone, and any other text unchanged."""
    if not _API_TIME.fullmatch(cell):
        return cell
    return datetime.fromisoformat(cell).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _has_header() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_HEADER, False)


def say(sentence: CatalogueText | str) -> None:
    """Print a line on stdout, in the language of the terminal."""
    click.echo(one_line(in_language(sentence)))


def note(sentence: CatalogueText | str) -> None:
    """Print a remark on stderr, in the language of the terminal."""
    click.echo(f"service-server: {one_line(in_language(sentence))}", err=True)


def print_fields(fields: Iterable[tuple[CatalogueText | str, object]]) -> None:
    """Print the fields that have a value, one per line."""
    given = [(in_language(name), one_line(in_language(value))) for name, value in fields if value is not None]
    if sys.stdout.isatty():
        given = [(name, _with_offset(value)) for name, value in given]
    for line in aligned(given):
        click.echo(line)


def aligned(fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield lines with names and values in two columns, in which East Asian characters are wide."""
    width = max((_cells(name) for name, _value in fields), default=0)
    for name, value in fields:
        yield f"{name}{' ' * (width - _cells(name))}  {value}"


def _cells(text: str) -> int:
    """Return the width of a text on a terminal, in cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only other languages need it

    return cell_len(text)


def _with_offset(value: str) -> str:
    """Return a time of the API in the local time zone with its UTC offset, and any other text unchanged."""
    if not _API_TIME.fullmatch(value):
        return value
    return datetime.fromisoformat(value).astimezone().isoformat(" ", "milliseconds")


def json_option(function: F) -> F:
    """Add the option --json."""
    return click.option("--json", "as_json", is_flag=True, callback=_remember_json, help="Print JSON.")(
        function
    )


def list_options(function: F) -> F:
    """Add the options --json and --header, which prints headings also if stdout is no terminal."""
    header = click.option(
        "--header",
        is_flag=True,
        expose_value=False,
        callback=_remember_header,
        help="Print the column headers in a pipe too.",
    )
    return json_option(header(function))


# Both options may also be between a group and its command.


def _remember_header(context: click.Context, _option: click.Parameter, is_given: bool) -> None:  # noqa: FBT001 - a callback of the framework
    context.meta[_HEADER] = is_given or context.meta.get(_HEADER, False)


def _remember_json(context: click.Context, _option: click.Parameter, is_given: bool) -> bool:  # noqa: FBT001 - a callback of the framework
    context.meta[_JSON] = is_given or context.meta.get(_JSON, False)
    return bool(context.meta[_JSON])


def print_json(data: object) -> None:
    """Print data as indented JSON, with characters escaped that a terminal would act on or that it lacks."""
    encoding = (sys.stdout.encoding or "").lower()
    click.echo(printable_json(data) if encoding.startswith("utf") else json.dumps(data, indent=2))


class Progress:
    """A progress line on stderr until there is output, for terminals only."""

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
        """Remove the line."""
        if self._status is not None:
            self._status.stop()
