import sys
from collections.abc import Iterable, Sequence

import rich_click as click

from entrypoints.cli.plain_text import one_line


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: as a table to a terminal, and with tabs between their cells to anything else."""
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
        table.add_row(*map(Text, row))
    Console().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print one thing's fields, those that have a value, below each other."""
    given = [(name, one_line(str(value))) for name, value in fields if value is not None]
    width = max((len(name) for name, _value in given), default=0)
    for name, value in given:
        click.echo(f"{name:<{width}}  {value}")
