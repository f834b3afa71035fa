"""Help texts in the language of the terminal."""

import inspect
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from domain.catalogue.language import Language
from entrypoints.cli import help_texts as module
from entrypoints.cli.help_texts import help_texts
from entrypoints.cli.main import COMMANDS, _load, service_server

OTHERS = [language for language in Language if language is not Language.ENGLISH]
# Of the commands about jobs; the ones of operators may be in English.
ABOUT_JOBS = (
    *("run", "upload", "execute", "jobs", "status", "logs", "cancel", "rerun", "tag", "delete"),
    *("batch", "languages", "completion", "doctor"),
)


def texts_of(command: click.Command) -> Iterator[str]:
    yield from filter(None, (command.help, command.epilog))
    yield from (option.help for option in command.params if isinstance(option, click.Option) and option.help)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            yield from texts_of(subcommand)


@pytest.fixture(scope="module")
def english() -> dict[str, set[str]]:
    """The help texts of each command; those of the program itself have no name."""
    found = {name: {summary, *texts_of(_load(location))} for name, location, summary in COMMANDS}
    found[""] = set(texts_of(service_server))
    return {name: set(map(inspect.cleandoc, texts)) for name, texts in found.items()}


@pytest.mark.parametrize("language", OTHERS)
def test_every_translation_is_of_a_text_that_there_is(english, language):
    assert set(help_texts(language)) - set().union(*english.values()) == set()


@pytest.mark.parametrize("language", OTHERS)
def test_the_help_of_commands_about_jobs_is_in_every_language(english, language):
    needed = set().union(*(english[name] for name in ABOUT_JOBS))
    # Of what to type for each shell.
    assert {text for text in needed - set(help_texts(language)) if "~/.bashrc" not in text} == set()


def test_all_languages_have_the_same_texts():
    assert len({frozenset(help_texts(language)) for language in OTHERS}) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "작업을 최신순으로 나열합니다."),
        (["jobs", "--help"], "이 프로젝트의 작업만 선택합니다."),
        (["batch"], "배치를 최신순으로 나열합니다."),
    ],
)
def test_help_is_in_the_language_of_the_terminal(monkeypatch, arguments, expected):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    before = {command: vars(command).copy() for command in _loaded()}
    options = {option: vars(option).copy() for command in before for option in command.params}
    try:
        shown = CliRunner().invoke(service_server, arguments, env={"COLUMNS": "120"})
        assert expected in shown.output
    finally:
        for shared, attributes in [*before.items(), *options.items()]:
            vars(shared).clear()
            vars(shared).update(attributes)


def _loaded() -> list[click.Command]:
    jobs, batch = _load("jobs.command"), _load("batch.command")
    assert isinstance(batch, click.Group)
    return [service_server, jobs, batch, *batch.commands.values()]


def test_a_command_that_shows_no_help_reads_no_help_texts(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    monkeypatch.setattr(module, "help_texts", lambda _language: pytest.fail("read"))
    with click.Context(service_server) as context:
        service_server.resolve_command(context, ["jobs", "--limit", "1"])
