"""Runtimes that are added by the command line, and used by a service that runs."""

import json
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support import service
from tests.support.sandbox import require_bubblewrap


@pytest.fixture
def environment() -> Iterator[Path]:
    """A virtual environment with a package: not in /tmp, which each program has for itself."""
    with TemporaryDirectory(dir="/var/tmp") as parent:
        directory = Path(parent).resolve() / "with-package"
        venv.create(directory, symlinks=True)
        (site,) = directory.glob("lib/python3*/site-packages")
        (site / "greeting.py").write_text("text = 'hello'")
        yield directory


def test_a_runtime_is_added_used_and_removed(tmp_path, environment):
    require_bubblewrap()
    env = service.environment(tmp_path / "data", SERVICE_SERVER_RUNTIMES_DIR=tmp_path / "runtimes")

    def command(*words: str) -> str:
        done = service.run("runtimes", *words, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    version = ".".join(map(str, sys.version_info[:3]))
    assert f"version {version}" in command("add", "python+greeting", "--from-venv", str(environment))
    twice = service.run("runtimes", "add", "python+greeting", "--from-venv", str(environment), env=env)
    assert (twice.returncode, b"runtime python+greeting exists already" in twice.stderr) == (1, True)
    assert json.loads(command("list", "--json")) == [
        {"name": "python+greeting", "language": "python", "version": version, "state": "available"}
    ]
    with service.served(env) as server, server.http as http:
        names = [runtime["name"] for runtime in http.get("/api/runtimes").json()]
        assert "python+greeting" in names
        body = {"project": "p", "language": "python", "code": "import greeting; print(greeting.text)"}
        answers = [
            http.post("/api/upload?wait=30", json={**body, "execute": True, **more}).json()
            for more in ({"runtime": "python+greeting"}, {})
        ]
    assert answers[0]["data"]["result"]["stdout"] == "hello\n"
    assert answers[1]["status"] == "FAILED"
    command("remove", "python+greeting")
    assert json.loads(command("list", "--json")) == []


def test_a_runtime_beside_the_settings_file_is_refused_when_it_is_added(tmp_path, environment, monkeypatch):
    require_bubblewrap()
    (environment.parent / ".env").write_text("DEBUG=false\n")
    monkeypatch.setattr(service, "ROOT", environment.parent)
    env = service.environment(tmp_path / "data", SERVICE_SERVER_RUNTIMES_DIR=tmp_path / "runtimes")

    added = service.run("runtimes", "add", "python+near", "--from-venv", str(environment), env=env)

    assert added.returncode == 1
    assert f"programs must not see {environment.parent}" in added.stderr.decode()
