"""Programs of several files, in every language that this machine has."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from adapters.local_engine.toolchains import Toolchains
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import running_engine

_TREES = tomllib.loads(Path(__file__).with_name("trees.toml").read_text())
_AVAILABLE = {support.language.name for support in Toolchains().support() if support.is_available}
_NAMES = {"data/names.txt": b"world\nmoon\n"}
_LARGE = bytes(range(256)) * (16 << 12)


# Where nothing is isolated, and every language finds all that the machine has, these stand for the others.
_KINDS = {"c", "java", "node", "python"}


def _trees(languages):
    return [
        pytest.param(language, tree, id=f"{language}-{name}")
        for language, trees in _TREES.items()
        if language in languages & _AVAILABLE
        for name, tree in trees.items()
    ]


@pytest.fixture(scope="module", params=["plain", "isolated"])
def kit(request, tmp_path_factory):
    isolated = request.param == "isolated"
    with running_engine(tmp_path_factory.mktemp("work"), isolated=isolated) as kit:
        yield kit


def a_tree(language, files, entry, **changed):
    contents = {path: content.encode() for path, content in files.items()} | _NAMES
    code = contents.pop(entry).decode()
    return Program(language=language, code=code, files=contents, entry=entry, **changed)


def test_there_are_trees_in_every_language():
    assert set(_TREES) == set(LANGUAGES)


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("isolated")) as kit:
        yield kit


@pytest.mark.parametrize(("language", "tree"), _trees(_KINDS))
def test_a_program_of_several_files_runs(kit, language, tree):
    _expect_greeting(kit, language, tree)


@pytest.mark.parametrize(("language", "tree"), _trees(_TREES.keys() - _KINDS))
def test_a_program_of_several_files_runs_in_every_other_language(isolated, language, tree):
    _expect_greeting(isolated, language, tree)


def _expect_greeting(kit, language, tree):
    ended = kit.run(a_tree(language, tree["files"], tree["entry"], args=("you",)))

    assert (ended.stdout.decode().splitlines(), ended.stderr.decode()) == (["hello, you", "world"], "")
    assert ended.result.status is JobStatus.SUCCESS


def test_every_byte_and_name_of_a_file_arrives(kit):
    files = {
        "bytes.bin": _LARGE,
        "empty": b"",
        "a b/ünï 한국/'quoted' \"$(id)\".txt": b"x",
        "n" * 255: b"long",
        "/".join(["d" * 100] * 4): b"deep",
    }
    code = """
import hashlib, os
for root, _, names in os.walk("."):
    for name in names:
        path = os.path.join(root, name)
        print(os.path.relpath(path, "."), hashlib.sha256(open(path, "rb").read()).hexdigest(), sep="|")
"""
    ended = kit.run(Program(code=code, files=files, entry="main.py"))

    seen = dict(line.split("|") for line in ended.stdout.decode().splitlines())
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert seen == expected | {"main.py": hashlib.sha256(code.encode()).hexdigest()}


def test_the_program_has_no_descriptor_of_the_archive_and_may_change_its_files(kit):
    code = """
import os
print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1])
os.remove("gone"); open("data", "a").write("more"); os.mkdir("new")
print(oct(os.stat("script").st_mode & 0o777), oct(os.stat("data").st_mode & 0o777), open("data").read())
"""
    ended = kit.run(
        Program(code=code, entry="main.py", files={"gone": b"", "data": b"some ", "script": b"#!/bin/sh\n"})
    )

    assert ended.stdout.decode().splitlines() == ["[0, 1, 2]", "0o755 0o644 some more"]


@pytest.mark.parametrize("source", ["stdin_bytes", "stdin_file"])
def test_any_bytes_are_read_from_stdin(kit, source):
    given = {"stdin_bytes": _LARGE} if source == "stdin_bytes" else {"stdin_file": "in", "entry": "main.py"}
    files = {} if source == "stdin_bytes" else {"in": _LARGE}
    code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"

    ended = kit.run(Program(code=code, files=files, **given))

    assert ended.stdout.decode().strip() == hashlib.sha256(_LARGE).hexdigest()


def test_a_build_of_several_files_that_fails_is_a_compile_error(kit):
    ended = kit.run(
        Program(language="c", code="int main(void) { return f(); }", entry="main.c", files={"f.c": b"int f("})
    )

    assert ended.result.reason is Reason.COMPILE_ERROR
    assert "f.c" in ended.result.compile_output.text


def test_files_that_are_gone_from_the_store_are_a_storage_error(kit):
    request = kit.request(Program(code="", entry="main.py", files={"gone.txt": b"unlike all others"}))
    kit.store.delete(request.spec.files[0].blob.key(request.tenant))

    report = kit.engine.execute(request, None)

    assert report.result.reason is Reason.STORAGE_ERROR
