"""Every language of the table that this machine has, run as users run it."""

import signal
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.toolchains import Toolchains
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from entrypoints.http.dashboard.code_languages import CODE_LANGUAGES
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore

_PROGRAMS = tomllib.loads(Path(__file__).with_name("programs.toml").read_text())
_SUPPORT = {support.language.name: support for support in Toolchains().support()}

installed = pytest.mark.parametrize(
    "language", [name for name, support in _SUPPORT.items() if support.is_available]
)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An engine on a machine that has no language."""
    monkeypatch.setattr("adapters.local_engine.toolchains.SYSTEM_PATH", str(tmp_path))
    store = MemoryObjectStore()
    engine = LocalEngine(store, tmp_path / "work")
    engine.start()
    try:
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()


def test_there_are_programs_in_every_language():
    assert set(_PROGRAMS) == set(LANGUAGES)


@installed
def test_a_program_reads_its_stdin_and_its_arguments(kit, language):
    program = Program(
        language=language, code=_PROGRAMS[language]["reads"], stdin="in put", args=("a b", "--version", "ü")
    )

    ended = kit.run(program)

    assert ended.result.status is JobStatus.SUCCESS, ended.result
    assert (ended.stdout.decode(), ended.stderr) == ("IN PUT\na b\n--version\nü\n", b"")


@installed
def test_a_mistake_ends_with_its_language_s_words(kit, language):
    row = _PROGRAMS[language]

    result = kit.run(Program(language=language, code=row["mistaken"])).result

    assert (result.status, result.reason) == (JobStatus.FAILED, Reason(row["reason"]))
    assert row["says"] in result.stderr.text
    assert result.stdout.text == ""


# How an empty file ends where it is no program: javac takes it, and makes no class that java could start.
_EMPTY_IS_NONE = {
    "java": Reason.NONZERO_EXIT,
    **dict.fromkeys(("c", "cpp", "go", "rust"), Reason.COMPILE_ERROR),
}


@installed
def test_an_empty_program_ends_as_its_language_has_it(kit, language):
    result = kit.run(Program(language=language, code="")).result

    assert result.reason == _EMPTY_IS_NONE.get(language), result
    assert result.stdout.text == ""


@installed
def test_a_program_that_grows_without_end_ends_at_its_limit_of_memory(kit, language):
    program = Program(
        language=language, code=_PROGRAMS[language]["grows"], limits={"memory_mb": 128, "timeout_ms": 20_000}
    )

    result = kit.run(program).result

    if language == "c" and result.signal == signal.SIGABRT:
        return  # without cgroups it is malloc that refuses, and C has no words for that
    assert result.reason is Reason.MEMORY_LIMIT, result
    assert (result.limit.name, result.limit.allowed) == ("memory_mb", 128)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_that_is_not_installed_is_refused_with_advice(bare, language):
    result = bare.run(Program(language=language, code=_PROGRAMS[language]["reads"])).result

    assert result.reason is Reason.ENGINE_UNAVAILABLE
    assert "is not installed on this machine" in result.error_message
    assert "; on Debian, install it with '" in result.error_message


@pytest.mark.parametrize("kit", ["isolated"], indirect=True)
def test_the_programs_that_the_editor_begins_with_succeed(kit):
    programs = [
        Program(language=name, code=CODE_LANGUAGES[name].starter)
        for name, support in _SUPPORT.items()
        if support.is_available
    ]
    with ThreadPoolExecutor(len(programs)) as at_once:
        ended = list(at_once.map(kit.run, programs))

    lines = "".join(f"line {number}\n" for number in range(1, 6))
    assert [(each.result.status, each.stdout.decode()) for each in ended] == [
        (JobStatus.SUCCESS, lines) for _ in programs
    ]


def test_languages_of_other_processes_are_accepted_where_this_machine_has_them_not(monkeypatch, tmp_path):
    monkeypatch.setattr("adapters.local_engine.toolchains.SYSTEM_PATH", str(tmp_path))
    store = MemoryObjectStore()

    here = LocalEngine(store, tmp_path / "here").languages()
    elsewhere = LocalEngine(store, tmp_path / "elsewhere", elsewhere=["java"]).languages()

    assert "java" not in {support.language.name for support in here if support.is_available}
    assert "java" in {support.language.name for support in elsewhere if support.is_available}
    assert "ruby" not in {support.language.name for support in elsewhere if support.is_available}
