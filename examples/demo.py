"""The whole main job, once: programs in three languages are uploaded and executed, and their logs read.

Everything runs inside this process, on data that is thrown away afterwards. Of the settings in force only
SERVICE_SERVER_SANDBOX counts.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table

from application.errors import ApplicationError
from entrypoints.cli.client import ServiceClient
from entrypoints.cli.connection import connect
from entrypoints.cli.errors import Failure
from entrypoints.cli.settings_report import variables
from entrypoints.settings import LimitSettings, Settings

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """A program, its input, and its expected first line of output."""

    language: str
    program: str
    stdin: str
    args: tuple[str, ...]
    first_line: str


_EXAMPLES = (
    Example("python", "words.py", "words.txt", ("3",), "   7 a"),
    Example("node", "orders.js", "orders.json", (), "   199.00 Anna"),
    Example("java", "Route.java", "roads.txt", ("Seoul", "Busan"), "420 km: Seoul - Daejeon - Daegu - Busan"),
)


def main() -> int:
    """Run the examples, print a table, and return 0 if every program printed the expected text."""
    try:
        with _apart(), connect(None, runs=True) as client:
            outcomes = [(example, _outcome(client, example)) for example in _EXAMPLES]
    except (Failure, ApplicationError) as error:
        sys.exit(str(error))
    _print(outcomes)
    return 0 if all(_is_right(example, outcome) for example, outcome in outcomes) else 1


class _Sandbox(BaseSettings):
    """The setting that is kept."""

    model_config = Settings.model_config

    sandbox: str | None = None


@contextmanager
def _apart() -> Iterator[None]:
    """Take every setting away, and the directory whose `.env` has more; give an empty one for the data."""
    sandbox = _Sandbox().sandbox
    names = {*variables(Settings), *variables(LimitSettings)}
    for name in [name for name in os.environ if name.upper() in names]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="service-server-demo-") as directory, chdir(directory):
        os.environ["SERVICE_SERVER_DATA_DIR"] = directory
        if sandbox is not None:
            os.environ["SERVICE_SERVER_SANDBOX"] = sandbox
        yield


def _outcome(client: ServiceClient, example: Example) -> dict[str, Any]:
    upload = {
        "project": "demo",
        "language": example.language,
        "code": (_HERE / example.program).read_text(),
        "args": example.args,
    }
    try:
        job = client.post("/api/upload", upload)
        stdin = (_HERE / example.stdin).read_text()
        job = client.post(f"/api/execute/{job['job_id']}?wait=20", {"stdin": stdin})
        while job["status"] == "RUNNING":
            client.get(f"/api/jobs/{job['job_id']}/status", wait=20)
            job = client.get(f"/api/jobs/{job['job_id']}")
        log = json.loads(client.get("/api/log", log_key=job["log_key"]))
    except Failure as failure:
        return {"status": "REFUSED", "said": str(failure)}
    return {**job["data"]["result"], "said": log["stdout"] or log["stderr"]}


def _is_right(example: Example, outcome: dict[str, Any]) -> bool:
    return outcome["status"] == "SUCCESS" and outcome["said"].startswith(example.first_line + "\n")


def _print(outcomes: list[tuple[Example, dict[str, Any]]]) -> None:
    table = Table("PROGRAM", "STATUS", "EXIT", "TIME", "MEMORY", "OUTPUT")
    for example, outcome in outcomes:
        resource = outcome.get("resource") or {}
        table.add_row(
            example.program,
            outcome["status"],
            str(outcome.get("exit_code", "")),
            f"{resource['execution_time_ms']} ms" if resource else "",
            f"{resource['memory_mb']:.1f} MiB" if resource else "",
            outcome["said"].rstrip(),
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
