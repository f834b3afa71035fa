"""Retention policies on the command line: parsing of their arguments, and printing."""

from collections.abc import Mapping, Sequence

import rich_click as click

from domain.catalogue.text import Text, text
from domain.errors import InvalidValue
from domain.retention import FOREVER, RETENTION_NAMES, Retention
from entrypoints.cli.client import Json
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.terminal import print_fields, print_json

_SUFFIX = "_days"
# The figures by their names on the command line.
_FIGURES = {name.removesuffix(_SUFFIX): name for name in RETENTION_NAMES}

days_argument = click.argument("figures", nargs=-1, metavar="[FIGURE=DAYS]...")
none_option = click.option("--none", "is_none", is_flag=True, help="Remove the policy.")
EPILOG = f"Figures: {', '.join(_FIGURES)}; DAYS is a number of days, or '{FOREVER}'."


def read_policy(figures: Sequence[str], *, is_none: bool) -> Retention | None:
    """Parse a policy; return None if there are no arguments.

    Raises:
        Failure: An argument has the wrong format, or a figure is given twice.
    """
    if is_none and figures:
        raise Failure(text("cli.none_with_figures"), ExitCode.USAGE)
    given: dict[str, float | str] = {}
    for figure in figures:
        name, _, days = figure.partition("=")
        if name not in _FIGURES or _FIGURES[name] in given:
            raise _wrong(figure)
        try:
            given[_FIGURES[name]] = days if days == FOREVER else float(days)
        except ValueError:
            raise _wrong(figure) from None
    try:
        return Retention.of(given) if given or is_none else None
    except InvalidValue as error:
        raise Failure(
            text("cli.wrong_days", name=error.field.removesuffix(_SUFFIX), detail=error.detail),
            ExitCode.USAGE,
        ) from None


def print_retention(shown: Json, *, as_json: bool) -> None:
    """Print a policy and the policy in force, as the API returns them."""
    if as_json:
        print_json(shown)
    else:
        print_fields((name, _written(shown[name])) for name in ("policy", "in_force"))


def _written(policy: Mapping[str, float | str | None]) -> Text | str:
    figures = ((short, policy.get(name)) for short, name in _FIGURES.items())
    return " ".join(f"{short}={_days(days)}" for short, days in figures if days is not None) or text(
        "cli.none"
    )


def _days(days: float | str) -> str:
    return days if isinstance(days, str) else f"{days:g}"


def _wrong(figure: str) -> Failure:
    names = ", ".join(_FIGURES)
    return Failure(text("cli.not_days", given=figure, names=names, forever=FOREVER), ExitCode.USAGE)
