"""The command `doctor`: reports the installation and its missing parts."""

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

import rich_click as click

from adapters.common.host import Host, Place
from application.errors import ApplicationError
from entrypoints.cli.client import Json
from entrypoints.cli.client_commands import known_languages
from entrypoints.cli.columns import Column
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.parts import admitted, parts
from entrypoints.cli.settings_report import in_force, load_limits, load_settings
from entrypoints.cli.terminal import json_option, one_line, print_fields, print_json, print_table
from entrypoints.settings import LimitSettings, Settings
from entrypoints.settings_check import warnings


@click.command("doctor")
@json_option
@server_option
def command(*, as_json: bool, server: str | None) -> None:
    """Check the installation: versions, settings, health and languages.

    Exits with 1 if an essential part is missing.
    """
    report: dict[str, Any] = {
        "service_server": version("service-server"),
        "python": platform.python_version(),
    }
    if server is None:
        settings = load_settings()
        report["host"] = _host()
        report["parts"] = dict(parts(settings))
        report["admitted"] = dict(admitted(settings))
        report["settings"] = _settings(settings)
        report["warnings"] = list(warnings(settings, os.environ))
    try:
        with connect(server) as client:
            report |= {
                "dependencies": client.health(),
                "engine": client.get("/api/engine"),
                "languages": known_languages(client),
            }
            report["missing"] = _missing(report)
    except (Failure, ApplicationError) as error:
        report |= {"dependencies": [], "languages": [], "missing": [str(error)]}
    if as_json:
        print_json(report)
    else:
        _print(report)
    sys.exit(ExitCode.FAILED if report["missing"] else ExitCode.OK)


def _host() -> str:
    """Return the kind of this host, by which the remedies are chosen."""
    host = Host()
    return f"unit {host.unit}" if host.place is Place.UNIT else host.place.value


def _settings(settings: Settings) -> list[dict[str, Any]]:
    load_limits()
    return [
        {"name": name, "value": value, "is_set": is_set}
        for part in (settings, LimitSettings())
        for name, value, is_set in in_force(part)
    ]


def _missing(report: dict[str, Any]) -> list[str]:
    missing = [
        dependency["detail"] or f"{dependency['name']} does not answer"
        for dependency in report["dependencies"]
        if not dependency["healthy"]
    ]
    if not any(language["available"] for language in report["languages"]):
        missing.append("no language is installed")
    return missing


def _print(report: dict[str, Any]) -> None:
    print_fields([("service-server", report["service_server"]), ("Python", report["python"])])
    if "settings" in report:
        print_fields([("host", report["host"])])
        click.echo()
        print_fields([*report["parts"].items(), *report["admitted"].items()])
        click.echo("\nSettings")
        print_table(
            (Column.NAME, Column.VALUE, Column.SOURCE),
            ((s["name"], s["value"], "set" if s["is_set"] else "default") for s in report["settings"]),
            is_part=True,
        )
    click.echo("\nHealth")
    print_table(
        (Column.PART, Column.HEALTHY, Column.UNHEALTHY_BECAUSE),
        ((d["name"], "yes" if d["healthy"] else "no", d["detail"]) for d in report["dependencies"]),
        is_part=True,
    )
    _print_engine(report.get("engine"))
    click.echo("\nLanguages")
    print_table(
        (Column.LANGUAGE, Column.AVAILABLE, Column.UNAVAILABLE_BECAUSE),
        (
            (
                language["name"],
                (language["version"] or "yes") if language["available"] else "no",
                language["unavailable_because"],
            )
            for language in report["languages"]
        ),
        is_part=True,
    )
    click.echo()
    for sentence in report.get("warnings", ()):
        click.echo(one_line(sentence))
    for sentence in report["missing"] or ["Nothing essential is missing."]:
        click.echo(one_line(sentence))


def _print_engine(engine: Json | None) -> None:
    if engine is None:
        return
    click.echo("\nEngine")
    isolated = {True: "yes", "partly": "PARTLY", False: "NO", None: "the engine does not say"}[
        engine["isolated"]
    ]
    print_fields(
        [
            ("name", engine["name"]),
            ("isolated", isolated),
            ("warm start", engine["warm_start"]),
            ("control groups", engine["control_groups"]),
            ("warning", engine["warning"]),
            *(("missing", guarantee) for guarantee in engine["missing"]),
        ]
    )
    print_table((Column.LIMIT, Column.ENFORCED), engine["limits"].items(), is_part=True)
