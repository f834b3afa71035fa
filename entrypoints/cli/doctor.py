"""The command `doctor`, which reports on the installation and its missing parts."""

import os
import platform
import sys
from importlib.metadata import version
from itertools import zip_longest
from typing import Any

import rich_click as click

from adapters.common.host import Host, Place
from application.errors import ApplicationError
from domain.catalogue.text import Text, said_by, text, text_of
from entrypoints.cli.client import Json
from entrypoints.cli.client_commands import known_languages
from entrypoints.cli.columns import Column, yes_or_no
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.parts import admitted, parts
from entrypoints.cli.settings_report import in_force, load_limits, load_settings
from entrypoints.cli.terminal import json_option, print_fields, print_json, print_table, say
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
        report["parts"] = list(parts(settings))
        report["admitted"] = list(admitted(settings))
        report["settings"] = _settings(settings)
        report["warnings"] = list(warnings(settings, os.environ))
    report |= {"dependencies": [], "languages": []}
    try:
        with connect(server, asks_engine=True) as client:
            report["dependencies"] = client.health()
            report["engine"] = client.get("/api/engine")
            report["languages"] = known_languages(client)
            report["missing"] = [*_unhealthy(report), *_without_languages(report)]
    except (Failure, ApplicationError) as error:  # without a database, for example, only the health is known
        missing = [*_unhealthy(report), said_by(error)]
        report["missing"] = list({str(sentence): sentence for sentence in missing}.values())
    if as_json:
        print_json(_plain(report))
    else:
        _print(report)
    sys.exit(ExitCode.FAILED if report["missing"] else ExitCode.OK)


def _host() -> str:
    """Return the kind of this host, which determines the remedies."""
    host = Host()
    return f"unit {host.unit}" if host.place is Place.UNIT else host.place.value


def _settings(settings: Settings) -> list[dict[str, Any]]:
    load_limits()
    return [
        {"name": name, "value": value, "is_set": is_set}
        for part in (settings, LimitSettings())
        for name, value, is_set in in_force(part)
    ]


def _plain(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report for JSON, in English."""
    named = {
        key: {str(name): str(what) for name, what in report.get(key, ())} for key in ("parts", "admitted")
    }
    said = {key: list(map(str, report.get(key, ()))) for key in ("warnings", "missing")}
    return report | {key: value for key, value in (named | said).items() if key in report}


def _unhealthy(report: dict[str, Any]) -> list[Text | str]:
    return [
        _sentence(dependency, "detail") or text("doctor.no_answer", name=dependency["name"])
        for dependency in report["dependencies"]
        if not dependency["healthy"]
    ]


def _without_languages(report: dict[str, Any]) -> list[Text]:
    is_any = any(language["available"] for language in report["languages"])
    return [] if is_any else [text("doctor.no_language")]


def _print(report: dict[str, Any]) -> None:
    print_fields([("service-server", report["service_server"]), ("Python", report["python"])])
    if "settings" in report:
        print_fields([(text("doctor.host"), report["host"])])
        click.echo()
        print_fields([*report["parts"], *report["admitted"]])
        _print_head(text("doctor.settings"))
        given, default = text("doctor.set"), text("doctor.default")
        print_table(
            (Column.NAME, Column.VALUE, Column.SOURCE),
            ((s["name"], s["value"], given if s["is_set"] else default) for s in report["settings"]),
            is_part=True,
        )
    if report["dependencies"]:  # otherwise the service was not reached
        _print_health(report)
    if "engine" in report:
        _print_engine(report["engine"])
        _print_languages(report)
    click.echo()
    for sentence in report.get("warnings", ()):
        say(sentence)
    for sentence in report["missing"] or [text("doctor.nothing_missing")]:
        say(sentence)


def _print_health(report: dict[str, Any]) -> None:
    _print_head(text("doctor.health"))
    print_table(
        (Column.PART, Column.HEALTHY, Column.UNHEALTHY_BECAUSE),
        ((d["name"], yes_or_no(is_so=d["healthy"]), _sentence(d, "detail")) for d in report["dependencies"]),
        is_part=True,
    )


def _print_languages(report: dict[str, Any]) -> None:
    _print_head(text("doctor.languages"))
    print_table(
        (Column.LANGUAGE, Column.AVAILABLE, Column.UNAVAILABLE_BECAUSE),
        (
            (
                language["name"],
                language["version"]
                if language["available"] and language["version"]
                else yes_or_no(is_so=language["available"]),
                text_of(language.get("unavailable_text")) or language["unavailable_because"],
            )
            for language in report["languages"]
        ),
        is_part=True,
    )


def _print_head(head: Text) -> None:
    click.echo(f"\n{in_language(head)}")


def _print_engine(engine: Json) -> None:
    _print_head(text("doctor.engine"))
    isolated = {
        True: yes_or_no(is_so=True),
        "partly": text("doctor.isolated_partly"),
        False: text("doctor.isolated_no"),
        None: text("doctor.isolated_unknown"),
    }
    missing = zip_longest(engine.get("missing_texts", ()), engine["missing"])
    print_fields(
        [
            (text("doctor.name"), engine["name"]),
            (text("doctor.isolated"), isolated[engine["isolated"]]),
            (text("doctor.warm_start"), _sentence(engine, "warm_start")),
            (text("doctor.control_groups"), _sentence(engine, "control_groups")),
            (text("doctor.warning"), _sentence(engine, "warning")),
            *((text("doctor.missing"), text_of(parts) or told) for parts, told in missing),
        ]
    )
    texts = engine.get("limit_texts", {})
    limits = [(name, text_of(texts.get(name)) or how) for name, how in engine["limits"].items()]
    print_table((Column.LIMIT, Column.ENFORCED), limits, is_part=True)


def _sentence(described: Json, name: str) -> Text | str | None:
    """Return a field of a description, as a text that can be translated or else in English."""
    told: str | None = described[name]
    return text_of(described.get(f"{name}_text")) or told
