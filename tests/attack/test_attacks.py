"""Hostile programs against the sandbox, as the user who runs the tests and, from root, as an ordinary one."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.attack.attacks import corpus
from tests.support.sandbox import CGROUPS_REQUIRED, require_bubblewrap

_ROOT = Path(__file__).parents[2]
_CODE = ("domain", "application", "adapters/__init__.py", "adapters/common", "adapters/local_engine")
_TESTS = (
    *("tests/__init__.py", "tests/attack", "tests/contract/__init__.py", "tests/contract/engine_kit"),
    *("tests/support/__init__.py", "tests/support/memory", "tests/support/processes.py"),
    "tests/support/warm_engine.py",
)
_NOBODY = 65534


def _as_we_are(_directory):
    required = ["--cgroups"] if os.environ.get(CGROUPS_REQUIRED) == "true" else []
    return [sys.executable, "-m", "tests.attack.target", *required], _ROOT


def _as_nobody(directory):
    """Run a copy that everybody may read, with an interpreter that everybody may start."""
    for name in (*_CODE, *_TESTS):
        source, copy = _ROOT / name, directory / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    user = str(_NOBODY)
    return [
        *("setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"),
        *("/usr/bin/python3", "-B", "-m", "tests.attack.target"),
    ], directory


_USERS = {"as_we_are": _as_we_are} | ({"as_nobody": _as_nobody} if os.geteuid() == 0 else {})


@contextmanager
def _started(user, *options):
    with TemporaryDirectory(prefix="service-server-copy-") as directory:
        Path(directory).chmod(0o755)
        command, where = _USERS[user](Path(directory))
        process = subprocess.Popen(
            [*command, *options], cwd=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            yield process
            process.stdin.close()
        assert process.returncode == 0


@pytest.fixture(scope="module")
def targets():
    """Start a target for each user and way to start programs when it is first asked for."""
    require_bubblewrap()
    with ExitStack() as stack:
        yield cache(lambda *how: stack.enter_context(_started(*how)))


def _attempts():
    """Every attack by every user, and both ways if it has a warm start."""
    for user in _USERS:
        for attack in corpus().values():
            yield pytest.param(attack.name, (user,), id=f"{user}-{attack.name}")
            if attack.language == "python":
                yield pytest.param(attack.name, (user, "--warm"), id=f"{user}-warm-{attack.name}")


@pytest.mark.parametrize(("name", "how"), list(_attempts()))
def test_the_sandbox_withstands(targets, name, how):
    target = targets(*how)
    target.stdin.write(f"{name}\n")
    target.stdin.flush()
    problems = json.loads(target.stdout.readline())

    if problems and problems[0].startswith("skip: "):
        pytest.skip(problems[0].removeprefix("skip: "))
    assert problems == []
