"""Help texts and the framework's words in the language of the terminal."""

import ast
import gettext
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import click
import pytest
import rich_click
from click.testing import CliRunner
from rich.cells import cell_len

from domain.catalogue.language import Language
from entrypoints.cli import help_texts as module
from entrypoints.cli.framework_texts import TYPE_NAMES, TranslatedContext
from entrypoints.cli.help_texts import FILES, help_texts, key_of, translate
from entrypoints.cli.main import COMMANDS, _load, service_server

OTHERS = [language for language in Language if language is not Language.ENGLISH]
LOCALES = {Language.KOREAN: "ko_KR.UTF-8", Language.JAPANESE: "ja_JP.UTF-8"}
# Words of rich-click that are not marked for translation.
RICH_WORDS = {
    *("Arguments", "Error", "Aborted."),
    *(r"\[default: {}]", r"\[env var: {}]", r"\[required]", r"\[deprecated]", r"\[deprecated: {}]"),
}
# Words of click that this program never shows: of faults in a program, of Windows, and of unused functions.
NOT_MET = {
    *("Value must be an iterable.", "Name '{name}' defined twice", "Choice({choices})"),
    "%(prog)s, version %(version)s",
    "Could not determine name for option with declarations {decls!r}",
    (
        "No options defined but a name was passed ({name}). Did you mean to declare an argument instead? "
        "Did you mean to pass '--{name}'?"
    ),
    "Boolean option {decl!r} cannot use the same flag for true/false.",
    "Arguments take exactly one parameter declaration, got {length}: {decls}.",
    "Invalid start character for option ({option})",
    "DeprecationWarning: The command {name!r} is deprecated.{extra_message}",
    "DeprecationWarning: The {param_type} {name!r} is deprecated.{extra_message}",
    *("Unknown standard stream '{name}'", "Unknown color {colour!r}", "Windows error: {error}"),
    *("{editor}: Editing failed", "{editor}: Editing failed: {e}"),
    # Words that rich-click has in its own settings.
    *("d", "deprecated", "env var: {var}", "default: {default}", "Positional arguments"),
}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand, by the words that call it."""
    for name, location, _summary in COMMANDS:
        yield from _with_subcommands(name, _load(location))


def _with_subcommands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for word, subcommand in command.commands.items():
            yield from _with_subcommands(f"{name} {word}", subcommand)


def texts_of(command: click.Command) -> Iterator[str]:
    yield from filter(None, (command.help, command.epilog))
    yield from (option.help for option in command.params if isinstance(option, click.Option) and option.help)


def marked_words() -> set[str]:
    """The words that click and rich-click give to gettext, plurals with their singulars."""
    found = set()
    for package in (click, rich_click):
        for path in Path(package.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"_", "gettext", "ngettext"}:
                    found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found


def places(text: str) -> set[str]:
    """The placeholders of a text, in the forms of `format` and of `%`."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None} | set(
        re.findall(r"%\((\w+)\)", text)
    )


@pytest.fixture(scope="module")
def english() -> set[str]:
    """The help texts of all commands."""
    every = [service_server, *(command for _name, command in commands())]
    summaries = (summary for _name, _location, summary in COMMANDS)
    return {key_of(text) for command in every for text in texts_of(command)} | set(summaries)


@pytest.fixture
def restored() -> Iterator[None]:
    """Translation puts texts in the place of others, in commands and in the framework."""
    every = [service_server, *(command for _name, command in commands())]
    shared = [*every, *(option for command in every for option in command.params)]
    modules = [found for name, found in sys.modules.items() if name.startswith("click.")]
    before = [(each, vars(each).copy()) for each in (*shared, *modules)]
    yield
    for each, attributes in before:
        vars(each).clear()
        vars(each).update(attributes)


@pytest.mark.parametrize("language", OTHERS)
def test_every_translation_is_of_a_text_that_there_is(english, language):
    translations = set().union(*(help_texts(language, file) for file in FILES))
    assert translations - english - marked_words() - RICH_WORDS == set()


@pytest.mark.parametrize("language", OTHERS)
def test_the_help_of_every_command_is_in_every_language(english, language):
    assert english - set().union(*(help_texts(language, file) for file in FILES)) == set()


@pytest.mark.parametrize("file", FILES)
def test_all_languages_have_the_same_texts(file):
    assert len({frozenset(help_texts(language, file)) for language in OTHERS}) == 1


def test_each_text_is_in_one_file():
    keys = [key for file in FILES for key in help_texts(Language.KOREAN, file)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_no_placeholder_that_is_not_in_the_english_text(language):
    for english_text, text in help_texts(language, "framework").items():
        assert places(text) <= places(english_text), text


def test_the_help_of_the_program_needs_the_first_files_alone():
    own = {key_of(text) for text in texts_of(service_server)} | {summary for *_, summary in COMMANDS}
    assert own <= {*help_texts(Language.KOREAN, "framework"), *help_texts(Language.KOREAN, "program")}


@pytest.mark.parametrize("language", OTHERS)
def test_the_words_of_the_framework_are_in_every_language(language):
    words = marked_words()
    assert words - set(help_texts(language, "framework")) - NOT_MET - TYPE_NAMES == set()
    assert words >= NOT_MET | TYPE_NAMES


# Three English words in a row, between what is the same in every language: code, metavars and choices.
_SAME_EVERYWHERE = re.compile(r"`[^`]*`|--?[\w-]+|\[[^\]]*\]|'[^']*'|\S*[_/|@.=:]\S*|\b[A-Z]+\b")
_ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


@pytest.mark.usefixtures("restored")
@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("language", OTHERS)
def test_the_help_that_is_shown_has_no_english_sentence(monkeypatch, language):
    monkeypatch.setenv("LC_ALL", LOCALES[language])
    program = TranslatedContext(service_server, info_name="service-server", terminal_width=400)
    shown = {"": service_server.get_help(program)}
    for name, command in commands():
        with TranslatedContext(command, parent=program, info_name=name, terminal_width=400) as context:
            translate(command, context)
            shown[name] = command.get_help(context)

    assert len(shown) >= 80
    assert _ENGLISH.search("Print the status of a job.")
    for name, text in shown.items():
        own = "\n".join(line for line in text.splitlines() if "completion" not in line)
        assert _ENGLISH.findall(_SAME_EVERYWHERE.sub(" · ", own)) == [], name


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "작업을 최신순으로 나열합니다."),
        (["jobs", "--help"], "이 프로젝트의 작업만 선택합니다."),
        (["jobs", "--help"], "[기본값: 20]"),
        (["jobs", "--help"], "이 도움말을 표시하고 종료합니다."),
        (["batch"], "배치를 최신순으로 나열합니다."),
        (["tenants", "create", "--help"], "이름은 재사용되지 않습니다."),
    ],
)
def test_help_is_in_the_language_of_the_terminal(monkeypatch, arguments, expected):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    shown = CliRunner().invoke(service_server, arguments, env={"COLUMNS": "120"})
    assert expected in shown.output


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("arguments", "korean", "english"),
    [
        (["jobz"], "'jobz': 없는 명령입니다. 'jobs'입니까?", "No such command 'jobz'. Did you mean 'jobs'?"),
        (["jobs", "--limt", "1"], "'--limt': 없는 옵션입니다.", "No such option '--limt'."),
        (["jobs", "--limit"], "옵션에는 값이 필요합니다.", "Option '--limit' requires an argument."),
        (["jobs", "--limit", "0"], "0: 범위 1<=x<=1000", "0 is not in the range 1<=x<=1000."),
        (["jobs", "--limit", "x"], "올바른 숫자가 아닙니다", "'x' is not a valid integer range."),
        (["jobs", "x"], "남는 인수가 있습니다(x)", "Got unexpected extra argument (x)"),
        (["status"], "빠진 인수: 'JOB'.", "Missing argument 'JOB'."),
        (["keys", "create"], "빠진 옵션: '--name'.", "Missing option '--name'."),
        (["keys", "frob"], "사용법: service-server keys [OPTIONS]", "Usage: service-server keys [OPTIONS]"),
        (["batch", "submit", "/none"], "'/none': 없는 경로입니다.", "Path '/none' does not exist."),
        (["status"], "도움말: 'service-server status -h'", "Try 'service-server status -h' for help."),
    ],
)
def test_refusals_of_the_framework_are_in_the_language_of_the_terminal(
    monkeypatch, arguments, korean, english
):
    for locale, expected in (("C", english), ("ko_KR.UTF-8", korean), ("C", english)):
        monkeypatch.setenv("LC_ALL", locale)
        refused = CliRunner().invoke(service_server, arguments, env={"COLUMNS": "120"})
        assert expected in refused.stderr
        assert refused.exit_code == 2


@pytest.mark.usefixtures("restored")
def test_words_that_the_catalogue_lacks_stay_english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    framework = dict(help_texts(Language.KOREAN, "framework"))
    del framework["No such command {name!r}."]
    known = module.help_texts
    monkeypatch.setattr(
        module, "help_texts", lambda lang, file: framework if file == "framework" else known(lang, file)
    )
    refused = CliRunner().invoke(service_server, ["jobz"], env={"COLUMNS": "120"})
    assert "No such command 'jobz'. 'jobs'입니까?" in refused.stderr


@pytest.mark.usefixtures("restored")
def test_where_the_language_is_english_the_framework_is_as_it_comes(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setattr(sys.modules["click.exceptions"], "_", gettext.gettext)  # as in a new process
    CliRunner().invoke(service_server, ["jobz"])
    assert sys.modules["click.exceptions"]._ is gettext.gettext


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("arguments", [["--help"], ["jobs", "--help"], ["purge", "--help"], ["status"]])
@pytest.mark.parametrize("language", OTHERS)
def test_wide_characters_are_wrapped_within_the_terminal(monkeypatch, language, arguments):
    monkeypatch.setenv("LC_ALL", LOCALES[language])
    shown = CliRunner().invoke(service_server, arguments, env={"COLUMNS": "80"})
    lines = shown.output.splitlines()

    assert {cell_len(line) for line in lines if line.startswith(("│", "╭", "╰"))} == {80}
    assert max(map(cell_len, lines)) <= 80
    assert "…" not in shown.output


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("command", ["run", "jobs", "keys create", "purge", "import"])
def test_japanese_lines_end_where_they_may(monkeypatch, command):
    monkeypatch.setenv("LC_ALL", LOCALES[Language.JAPANESE])
    shown = CliRunner().invoke(service_server, [*command.split(), "--help"], env={"COLUMNS": "80"})
    lines = [line.strip("│ ") for line in shown.output.splitlines()]

    begins_none, ends_none = "、。）」ーっゃゅょッャュョ:", "（「"  # noqa: RUF001 - Japanese
    assert [line for line in lines if line.startswith(tuple(begins_none))] == []
    assert [line for line in lines if line.endswith(tuple(ends_none))] == []
    assert any(re.search("[ぁ-んァ-ヶ一-龠]$", line) for line in lines)
    assert "\x1f" not in shown.output


def test_a_command_that_shows_no_help_reads_no_help_texts(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    monkeypatch.setattr(module, "help_texts", lambda *_: pytest.fail("read"))
    with click.Context(service_server) as context:
        _name, command, rest = service_server.resolve_command(context, ["jobs", "--limit", "1"])
    assert command is not None
    command.make_context("jobs", rest)
