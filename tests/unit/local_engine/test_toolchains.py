import os
from pathlib import Path
from string import Formatter
from uuid import uuid4

import pytest

from adapters.local_engine.compose import compose
from adapters.local_engine.toolchains import Toolchain, Toolchains, read_table
from application.ports.execution_engine import ExecutionRequest
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey
from tests.support.processes import eventually
from tests.support.toolchains import knows_versions

_TABLE = {toolchain.language.name: toolchain for toolchain in read_table()}


def _toolchain(**changes):
    row = {
        "language": LANGUAGES["ruby"],
        "title": "Ruby",
        "executables": ["true"],
        "install": "apt-get install ruby",
        "source": "main.rb",
        "run": ["{true}", "{source}"],
        "version": ["{true}"],
        "memory": "heap",
    }
    return Toolchain(**row | changes)


def _request(language, args=()):
    spec = JobSpec(
        code_key=ObjectKey("p/x"), language=LANGUAGES[language], limits=STANDARD_LIMITS.resolve({}), args=args
    )
    return ExecutionRequest(execution_id=ExecutionId(uuid4()), job_id=JobId(uuid4()), spec=spec, stdin="")


def test_every_language_has_a_row():
    assert set(_TABLE) == set(LANGUAGES)


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_row_can_be_filled_in(name):
    toolchain = _TABLE[name]
    named = (*toolchain.executables, *toolchain.needs, *toolchain.uses, "hooks")
    executables = {name: f"/usr/bin/{name}" for name in named}

    program = compose(toolchain, executables, _request(name, ("--flag", "a b")), b"class X {}")

    assert program.command[-2:] == ["--flag", "a b"]
    assert not any("{" in part for part in (*program.build, *program.command))
    assert program.source.endswith(LANGUAGES[name].extension)


@pytest.mark.parametrize("name", sorted(set(LANGUAGES) - {"java"}))
def test_nothing_but_java_is_read_for_its_classes(name, monkeypatch):
    monkeypatch.delattr("adapters.local_engine.java_source.inspect")
    toolchain = _TABLE[name]
    named = (*toolchain.executables, *toolchain.needs, *toolchain.uses, "hooks")

    assert compose(toolchain, dict.fromkeys(named, "x"), _request(name), b"class X {}").code == b"class X {}"


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_row_is_consistent(name):
    toolchain = _TABLE[name]
    known = {*toolchain.executables, *toolchain.needs, *toolchain.uses}
    known |= {"hooks", "source", "heap_mb", "main_class", "archive", "compiler"}

    commands = (*toolchain.build, *toolchain.run, *toolchain.version, *toolchain.env.values())
    assert {field for part in commands for _, field, _, _ in Formatter().parse(part) if field} <= known
    assert toolchain.memory in {"address_space", "heap"}
    assert toolchain.memory == "address_space" or toolchain.build or "{heap_mb}" in "".join(toolchain.run)
    assert toolchain.title
    assert toolchain.install.startswith(("apt-get install ", "npm install "))
    assert not isinstance(toolchain.out_of_memory, str)


def test_what_is_missing_is_said_with_advice():
    known = Toolchains([_toolchain(executables=["no-such-program", "true"])])

    (support,) = known.support()

    assert not support.is_available
    assert "no-such-program was not found" in str(support.unavailable_because)
    assert "apt-get install ruby" in str(support.unavailable_because)


def test_what_a_language_needs_beside_its_executables_is_found_in_the_first_place_that_has_it(tmp_path):
    (tmp_path / "b").mkdir()
    places = [str(tmp_path / name) for name in ("a", "b")]
    toolchain = _toolchain(needs={"types": places})

    assert toolchain.paths()["types"] == places[1]

    (tmp_path / "b").rmdir()
    (support,) = Toolchains([toolchain]).support()
    assert f"types was not found in {':'.join(places)}" in str(support.unavailable_because)


def test_what_does_not_start_is_not_available():
    known = Toolchains([_toolchain(executables=["false"], version=["{false}"])])
    assert known.support()[0].is_available

    known.start()

    assert knows_versions(known)
    assert "fails on this machine" in str(known.support()[0].unavailable_because)


def test_an_executable_may_have_a_dot_in_its_name(tmp_path, monkeypatch):
    (tmp_path / "ruby3.1").symlink_to("/bin/echo")
    monkeypatch.setattr("adapters.local_engine.toolchains.SYSTEM_PATH", str(tmp_path))
    toolchain = _toolchain(
        executables=["ruby3.1"], run=["{ruby3.1}", "{source}"], version=["{ruby3.1}", "3.1.2"]
    )
    known = Toolchains([toolchain])

    program = compose(toolchain, known.executables(toolchain.language), _request("ruby"), b"")
    assert known.support()[0].is_version_awaited
    known.start()

    assert program.command == [str(tmp_path / "ruby3.1"), "main.rb"]
    assert knows_versions(known)
    assert known.support()[0].version == "3.1.2"
    assert not known.support()[0].is_version_awaited


def test_what_is_installed_or_removed_meanwhile_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.local_engine.toolchains.SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr("adapters.local_engine.toolchains._LOOK_EVERY_S", 0.0)
    toolchain = _toolchain(executables=["ruby3"], run=["{ruby3}"], version=["{ruby3}", "3.1.2"])
    known = Toolchains([toolchain])
    known.start()
    assert not known.find(toolchain.language)[1].is_available

    (tmp_path / "ruby3").symlink_to("/bin/echo")
    assert known.find(toolchain.language)[1].is_available
    assert eventually(lambda: known.support()[0].version == "3.1.2")
    assert known.executables(toolchain.language)["ruby3"] == str(tmp_path / "ruby3")

    (tmp_path / "ruby3").unlink()
    assert not known.find(toolchain.language)[1].is_available


def test_a_version_is_read_from_what_is_said():
    known = Toolchains([_toolchain(executables=["echo"], version=["{echo}", "ruby 3.1.2p20 (x86)"])])

    known.start()

    assert knows_versions(known)
    assert known.support()[0].version == "3.1.2"


def test_none_is_asked_any_more_when_that_is_stopped(tmp_path, caplog):
    fifo = tmp_path / "asked"
    os.mkfifo(fifo)
    known = Toolchains(
        [_toolchain(executables=["sh"], version=["{sh}", "-c", f"echo $$ >{fifo}; exec sleep 600"])]
    )
    known.start()
    asked = int(fifo.read_text())

    known.stop()

    assert not Path("/proc", str(asked)).exists()
    assert known.support()[0].is_available
    assert caplog.messages == []
