"""The command `runtimes`, which adds, lists and removes runtimes of this machine."""

from pathlib import Path

import rich_click as click

from domain.catalogue.text import text
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import in_language
from entrypoints.cli.settings_report import load_settings
from entrypoints.cli.terminal import list_options, print_json, print_table, say
from entrypoints.container import runtime_directory

_COLUMNS = (Column.RUNTIME, Column.LANGUAGE, Column.VERSION, Column.STATE)
_NAMES = ("name", "language", "version", "state")
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)


@click.group("runtimes")
def command() -> None:
    """Add, list and remove runtimes of this machine: versions and environments of languages."""


@command.command("add")
@click.argument("name")
@click.option("--from-venv", type=_DIRECTORY, help="Virtual environment of Python.")
@click.option("--from-prefix", type=_DIRECTORY, help="Directory with the executables in its bin.")
@click.option("--language", help="Language, if the name does not begin with it.")
def add(*, name: str, from_venv: Path | None, from_prefix: Path | None, language: str | None) -> None:
    """Register an installed runtime, such as python+numpy or node@22."""
    runtimes = runtime_directory(load_settings())
    if from_venv is not None and from_prefix is None:
        support = runtimes.add_venv(name, from_venv)
    elif from_prefix is not None and from_venv is None:
        language = language or name.partition("@")[0].partition("+")[0]
        support = runtimes.add_prefix(name, from_prefix, language)
    else:
        raise click.UsageError(in_language(text("cli.venv_or_prefix")))
    version = support.version or text("cli.unknown_version")
    say(text("cli.runtime_added", name=name, language=support.language, version=version))


@command.command("list")
@list_options
def list_all(*, as_json: bool) -> None:
    """List the runtimes that are registered on this machine."""
    rows = [
        (each.name, each.language.name, each.version, each.unavailable_because or text("cli.available"))
        for each in runtime_directory(load_settings()).supports()
    ]
    if as_json:
        print_json([dict(zip(_NAMES, (*row[:-1], str(row[-1])), strict=True)) for row in rows])
    else:
        print_table(
            _COLUMNS, [(name, language, version or "", state) for name, language, version, state in rows]
        )


@command.command("remove")
@click.argument("name")
def remove(*, name: str) -> None:
    """Unregister a runtime; its files are kept."""
    runtime_directory(load_settings()).remove(name)
    say(text("cli.removed", name=name))
