"""An engine in a process that another command starts. It writes one JSON object to stdout."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapters.local_engine.engine import LocalEngine
from application.errors import DependencyUnavailable
from tests.contract.engine_kit.harness import EngineUnderTest, Program, Recorder
from tests.support.memory.object_store import MemoryObjectStore

_ROOT = Path(__file__).parents[2]
_CODE = "import os; os.umask(0o77); os.mkdir('out'); open('out/written', 'w').write('kept'); print(6 * 7)"
_PROGRAM = Program(code=_CODE, artifacts=("out/*",))


def run_under(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
) -> dict[str, Any]:
    """Start an engine with a command and run a program; return the engine's description and the outcome.

    Args:
        command: The words before the engine's own command line.
        env: Variables besides those of this process.
        options: Options of subprocess.run.
    """
    done = subprocess.run(
        [*command, sys.executable, "-m", __name__],
        cwd=_ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
        **options,
    )
    return json.loads(done.stdout)


def _main() -> None:
    store = MemoryObjectStore()
    with TemporaryDirectory() as work:
        engine = LocalEngine(store, Path(work), isolated=True)
        try:
            engine.start()
        except DependencyUnavailable as error:
            json.dump({"trouble": error.detail}, sys.stdout)
            return
        kit = EngineUnderTest(engine, store)
        with kit.engine.execute(kit.request(_PROGRAM), Recorder()) as report:
            result, artifacts = report.result, {file.path: file.blob.read() for file in report.artifacts}
        description = engine.describe()
        kit.close()
        engine.stop()
    json.dump(
        {
            "trouble": None,
            "control_groups": str(description.control_groups),
            "missing": list(map(str, description.missing)),
            "stdout": result.stdout.text,
            "artifacts": {path: content.decode() for path, content in artifacts.items()},
            "message": result.error_message,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    _main()
