"""Ordinary programs print and end here as they do when they are started plainly on this machine."""

import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.local_engine.toolchains import SYSTEM_PATH
from domain.language import LANGUAGES
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import running_engine

_PROGRAMS = Path(__file__).with_name("programs")
_STDIN = "the quick brown fox\n3 1 2\n안녕 the end\n"
_ARGUMENTS = ("one", "two words")
_LIMITS = {"timeout_ms": 30_000, "memory_mb": 512}
_TIMEOUT_S = 60

_TYPES_OF_NODE = ("--skipLibCheck", "--types", "node", "--typeRoots", "/usr/lib/node_modules/@types")
# Options of the compiler's own virtual machine, with which it takes half of the time.
_QUICK_JAVAC = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")
# How people start such programs: the name of the source, what compiles it, and what runs it.
_PLAINLY: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "python": ("main.py", (), ("python3", "main.py")),
    "node": ("main.js", (), ("node", "main.js")),
    "bash": ("main.sh", (), ("bash", "main.sh")),
    "ruby": ("main.rb", (), ("ruby", "main.rb")),
    "php": ("main.php", (), ("php", "main.php")),
    "perl": ("main.pl", (), ("perl", "main.pl")),
    "c": ("main.c", ("gcc", "-O2", "-o", "main", "main.c", "-lm", "-pthread"), ("./main",)),
    "cpp": ("main.cpp", ("g++", "-std=c++20", "-O2", "-o", "main", "main.cpp", "-pthread"), ("./main",)),
    "go": ("main.go", ("go", "build", "-o", "main", "main.go"), ("./main",)),
    "rust": ("main.rs", ("rustc", "-O", "-o", "main", "main.rs"), ("./main",)),
    "java": ("Main.java", ("javac", *_QUICK_JAVAC, "Main.java"), ("java", "Main")),
    "typescript": (
        "main.mts",
        ("tsc", "--target", "es2022", "--module", "nodenext", *_TYPES_OF_NODE, "main.mts"),
        ("node", "main.mjs"),
    ),
}


def _plainly(language, code):
    """Run a program as a person would; return its output and its exit code, or its signal's."""
    name, build, run = _PLAINLY[language]
    with tempfile.TemporaryDirectory() as directory:
        environment = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": directory, "TMPDIR": directory}
        (Path(directory) / name).write_bytes(code)
        if build:
            cache = {"GOCACHE": str(Path(tempfile.gettempdir()) / "conformance-go-cache")}
            subprocess.run(
                build,
                cwd=directory,
                env=environment | cache,
                check=True,
                timeout=_TIMEOUT_S,
                stderr=subprocess.DEVNULL,
            )
        done = subprocess.run(
            [*run, *_ARGUMENTS],
            cwd=directory,
            env=environment,
            input=_STDIN.encode(),
            umask=0o022,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    return done.stdout, done.returncode


def _differences(kit, language, path):
    """Run a program both ways; return the differences."""
    code = path.read_bytes()
    printed, ended = _plainly(language, code)
    program = Program(language=language, code=code.decode(), stdin=_STDIN, args=_ARGUMENTS, limits=_LIMITS)
    here = kit.run(program)
    exit_code = here.result.exit_code if here.result.signal is None else -here.result.signal
    if (here.stdout, exit_code) == (printed, ended):
        return None
    return (
        f"{language}/{path.name}: {exit_code} {here.stdout!r} instead of {ended} {printed!r}; {here.result}"
    )


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("conformance"), warm_starts=1) as kit:
        yield kit


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_print_and_end_as_they_do_plainly(kit, language):
    missing = {each.language.name: each.unavailable_because for each in kit.engine.languages()}[language]
    if missing:
        pytest.skip(str(missing))
    programs = sorted((_PROGRAMS / language).iterdir())
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda path: _differences(kit, language, path), programs))

    differences = [each for each in found if each is not None]
    assert not differences, "\n".join(differences)


def test_there_are_programs_in_every_language():
    assert set(_PLAINLY) == set(LANGUAGES)
    assert all(list((_PROGRAMS / language).iterdir()) for language in LANGUAGES)
    assert len(list(_PROGRAMS.glob("*/*"))) >= 100
