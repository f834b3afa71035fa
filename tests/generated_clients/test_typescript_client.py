"""A client that openapi-typescript makes of the document is type-checked, and calls every operation."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from domain.caller import Scope
from tests.generated_clients.conftest import ARTIFACT, Delegated
from tests.http.support import Service
from tests.support.keys import Keys

_SOURCES = Path(__file__).parent / "typescript"
_TOOLS = Path(__file__).parents[2] / ".tools" / "typescript-client"


@pytest.fixture(scope="module")
def tools() -> Path:
    """Install the packages of the lock file, unless they are there."""
    _TOOLS.mkdir(parents=True, exist_ok=True)
    lock, installed = _SOURCES / "package-lock.json", _TOOLS / "installed.json"
    with (_TOOLS / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_SOURCES / name, _TOOLS)
            try:
                _run("npm", "ci", "--no-audit", "--no-fund", cwd=_TOOLS)
            except (AssertionError, FileNotFoundError) as error:
                missing = f"npm cannot install what the test needs: {error}"
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
            shutil.copy(lock, installed)
    return _TOOLS


@pytest.fixture
def built(tools: Path, document: Path) -> Iterator[Path]:
    """A directory with the program, compiled against the types generated from the document."""
    with TemporaryDirectory(dir=tools) as directory:
        for name in ("calls.ts", "tsconfig.json", "package.json"):
            shutil.copy(_SOURCES / name, directory)
        commands = tools / "node_modules" / ".bin"
        _run(commands / "openapi-typescript", document, "--output", "schema.ts", cwd=Path(directory))
        _run(commands / "tsc", cwd=Path(directory))
        yield Path(directory)


def test_every_operation_can_be_called(
    service: Service,
    built: Path,
    operation_ids: set[str],
    delegated: Delegated,
    key: str,
    keys: Keys,
    hook: str,
):
    keys.add("typescript-to-delete", frozenset({Scope.JOBS_READ}))
    given = {
        "url": str(service.http.base_url).rstrip("/"),
        "cluster": "local",
        "execution_id": delegated.execution_id,
        "report": delegated.report,
        "signature": delegated.signature,
        "artifact": ARTIFACT.path,
        "hook": hook,
        "key": key,
        "key_to_rotate": str(keys.id(keys.add("typescript"))),
        "key_to_revoke": str(keys.id(keys.add("typescript"))),
    }

    statuses = json.loads(_run("node", "calls.js", json.dumps(given), cwd=built))

    assert statuses.pop("refused") == 404
    empty = {"deleteJob", "deleteCaseSet"}
    assert statuses == dict.fromkeys(operation_ids - empty, 200) | dict.fromkeys(empty, 204)


def _run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
