"""Runtimes beside the default ones: environments with packages, other versions, and presets of flags."""

import shutil
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from adapters.local_engine import runtimes as module
from adapters.local_engine.runtime_directory import describe_prefix, describe_venv, write_runtime
from adapters.local_engine.toolchains import read_table
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program
from tests.support.processes import eventually
from tests.support.sandbox import running_engine

# Its shared object shows that the environment's own files are loaded, and its base interpreter's.
CODE = """
import sys, msgspec
import msgspec._core
print(sys.prefix, msgspec._core.__file__, msgspec.json.encode([1]))
try:
    open(sys.prefix + "/made", "w")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[Path]:
    """A virtual environment with a package that has a shared object: not in /tmp, which programs have."""
    with TemporaryDirectory(dir="/var/tmp") as parent:
        directory = Path(parent).resolve() / "with-msgspec"
        venv.create(directory, symlinks=True)
        (site,) = directory.glob("lib/python3*/site-packages")
        shutil.copytree(Path(msgspec.__file__).parent, site / "msgspec")
        yield directory


@pytest.fixture
def described(tmp_path) -> Path:
    return tmp_path / "runtimes"


def supports(kit) -> dict:
    return {support.name: support for support in kit.engine.runtimes()}


def test_programs_have_the_packages_of_an_environment_and_cannot_change_it(tmp_path, described, environment):
    write_runtime(described, "python+msgspec", describe_venv(environment))

    with running_engine(tmp_path / "work", runtimes=described, warm_starts=1) as kit:
        ended = kit.run(Program(language="python", code=CODE, runtime="python+msgspec"))
        default = kit.run(Program(language="python", code="import sys; print(sys.prefix)"))

    assert ended.result.status is JobStatus.SUCCESS, ended
    prefix, loaded, *_encoded = ended.stdout.decode().split()
    assert prefix == str(environment)
    assert Path(loaded).is_relative_to(environment)
    assert ended.stdout.decode().endswith("b'[1]'\nRead-only file system\n")
    assert default.stdout.decode().split() != [prefix]


def test_a_runtime_is_found_and_lost_while_the_engine_runs(tmp_path, described, environment, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    with running_engine(tmp_path / "work", runtimes=described) as kit:
        assert "python@other" not in supports(kit)

        file = write_runtime(described, "python@other", describe_venv(environment))
        eventually(
            lambda: supports(kit)["python@other"].is_available if "python@other" in supports(kit) else False
        )
        ended = kit.run(Program(language="python", code=CODE, runtime="python@other"))
        file.unlink()
        eventually(lambda: "python@other" not in supports(kit))
        assert kit.engine.startable_queues() is None
        gone = kit.run(Program(language="python", code=CODE, runtime="python@other"))
        served = kit.engine.startable_queues()
        assert kit.engine.unreachable_queues() == {"python@other"}
        write_runtime(described, "python@other", describe_venv(environment))
        eventually(lambda: not kit.engine.unreachable_queues())
        assert kit.engine.startable_queues() is None

    assert "python" in served
    assert "python@other" not in served
    assert ended.result.status is JobStatus.SUCCESS, ended
    assert gone.result.reason is Reason.ENGINE_UNAVAILABLE
    assert "is not installed on this machine" in gone.result.error_message


def test_a_prefix_is_another_version_beside_the_first(tmp_path, described):
    prefix = tmp_path / "opt" / "bash-9"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "bash").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 9.8.7 || exec /bin/bash "$@"\n'
    )
    (prefix / "bin" / "bash").chmod(0o755)
    row = next(each for each in read_table() if each.language.name == "bash")
    write_runtime(described, "bash@9", describe_prefix(prefix, row))

    with running_engine(tmp_path / "work", isolated=False, runtimes=described) as kit:
        runtime = supports(kit)["bash@9"]
        ended = kit.run(Program(language="bash", code="echo $((1+1))", runtime="bash@9"))

    assert (runtime.version, runtime.language.name, runtime.is_default) == ("9.8.7", "bash", False)
    assert ended.stdout == b"2\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("language = 'python", "is not a description of a runtime"),
        ("language = 'cobol'", "unsupported language"),
        ("version = '1'", "'language' is missing"),
        ("language = 'python'\nshell = 'x'", "'shell' is not a known key"),
        ("language = 'python'\nview = 'x'", "'view' is not a list"),
        ("language = 'python'\nview = [1]", "'view' has a value that is not a string"),
        ("language = 'python'\nview = ['usr']", "must be the absolute path of a directory"),
        ("language = 'python'\nview = ['/']", "programs must not see"),
        ("language = 'python'\nview = ['/dev/shm']", "programs have their own /dev"),
        (
            "language = 'python'\npaths = { python3 = '/nowhere/python3' }",
            "python3 is not at /nowhere/python3",
        ),
        ("language = 'python'\nprobe = ['{python3}', '-c', 'import nothing']", "fails on this machine"),
    ],
)
def test_a_description_that_cannot_be_used_names_the_cause(tmp_path, described, text, cause):
    described.mkdir()
    (described / "python@x.toml").write_text(text)

    with running_engine(tmp_path / "work", runtimes=described) as kit:
        support = supports(kit)["python@x"]
        ended = kit.run(Program(language="python", code="print(1)", runtime="python@x"))

    assert cause in str(support.unavailable_because)
    assert ended.result.reason is Reason.ENGINE_UNAVAILABLE


@pytest.mark.parametrize(
    ("presets", "said"),
    [((), "202002"), (("cpp17",), "201703"), (("cpp20", "cpp17"), "201703"), (("cpp11",), "201103")],
)
def test_presets_choose_the_flags_of_a_compiler(tmp_path, presets, said):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    code = '#include <cstdio>\nint main() { std::printf("%ld", (long)__cplusplus); }'

    with running_engine(tmp_path / "work", isolated=False) as kit:
        ended = kit.run(Program(language="cpp", code=code, presets=presets))

    assert ended.stdout.decode() == said


def test_a_strict_build_refuses_what_is_a_warning_else(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    code = "int main() { int unused; }"

    with running_engine(tmp_path / "work", isolated=False) as kit:
        lenient = kit.run(Program(language="cpp", code=code))
        strict = kit.run(Program(language="cpp", code=code, presets=("strict",)))
        unknown = kit.run(Program(language="cpp", code=code, presets=("none",)))

    assert lenient.result.status is JobStatus.SUCCESS
    assert strict.result.reason is Reason.COMPILE_ERROR
    assert unknown.result.reason is Reason.ENGINE_UNAVAILABLE


def test_what_is_no_environment_is_not_described(tmp_path):
    with pytest.raises(ValueError, match="is not a virtual environment"):
        describe_venv(tmp_path)
    row = next(each for each in read_table() if each.language.name == "node")
    with pytest.raises(ValueError, match="has none of node"):
        describe_prefix(tmp_path, row)


def test_a_runtime_is_described_once(tmp_path):
    described = {"language": "python", "paths": {"python3": '/a "b"\\c'}}
    file = write_runtime(tmp_path, "python@1", described)

    assert tomllib.loads(file.read_text()) == described
    with pytest.raises(FileExistsError):
        write_runtime(tmp_path, "python@1", described)
    with pytest.raises(InvalidValue):
        write_runtime(tmp_path, "../x", described)
