"""Submitting jobs, and waiting for their ends."""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import httpx

from tests.chaos.audit_log import TERMINAL
from tests.support.cluster import Cluster
from tests.support.no_tls import NO_TLS
from tests.support.processes import PATIENCE_S, pause

T = TypeVar("T")
Outcome = tuple[str, str | None]
_OUTCOMES = "SELECT job_id, status, reason FROM jobs"
_LIVE = "SELECT job_id FROM jobs WHERE status IN ('PENDING', 'RUNNING')"


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    """Send one request."""
    return httpx.request(method, url, verify=NO_TLS, timeout=60, **options)


def submit(url: str, **fields: object) -> str:
    """Upload a program and have it executed; return the job's id."""
    body = {"project": "chaos", "language": "python", "code": "print(1)", "execute": True, **fields}
    answer = ask("POST", f"{url}/api/upload", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


def status(cluster: Cluster, job_id: str) -> str:
    """Return a job's status as the database has it."""
    return str(cluster.rows("SELECT status FROM jobs WHERE job_id = :id", id=job_id)[0][0])


def outcomes(cluster: Cluster, job_ids: Iterable[str], within_s: float = PATIENCE_S) -> dict[str, Outcome]:
    """Return the status and the reason of jobs, by their ids, when all have ended or the time is up."""
    job_ids = frozenset(job_ids)
    begin = time.monotonic()
    while True:
        waited_s = time.monotonic() - begin
        # Few have not ended, of the thousands that a test may have.
        if waited_s >= within_s or job_ids.isdisjoint(row[0] for row in cluster.rows(_LIVE)):
            found = {row[0]: tuple(row[1:]) for row in cluster.rows(_OUTCOMES)}
            wanted = {job_id: found.get(job_id, ("LOST", None)) for job_id in job_ids}
            if waited_s >= within_s or all(state in TERMINAL for state, _reason in wanted.values()):
                return wanted
        pause(waited_s)


def soon(question: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Return the first answer that is not empty, and fail if there is none in time."""
    begin = time.monotonic()
    while not (answer := question()):
        waited_s = time.monotonic() - begin
        assert waited_s < within_s, "what was waited for did not happen"
        pause(waited_s)
    return answer


def attempts(cluster: Cluster, job_id: str) -> list[dict[str, Any]]:
    """Return the executions of a job, the latest last."""
    names = ("execution_id", "number", "state", "claimed_by", "status", "log_key", "stdout")
    found = cluster.rows(
        f"SELECT {', '.join(names)} FROM executions WHERE job_id = :id ORDER BY number",  # noqa: S608 - ours
        id=job_id,
    )
    return [dict(zip(names, row, strict=True)) for row in found]


def worker_pid(cluster: Cluster, job_id: str) -> int | None:
    """Return the process that holds the latest execution of a job, if one does."""
    holder = attempts(cluster, job_id)[-1]["claimed_by"]
    return None if holder is None else int(holder.split(":")[1])


def running_at(cluster: Cluster, job_id: str) -> int | None:
    """Return the process that holds the latest execution of a job, once a runner has the program."""
    asked = cluster.servers.runner.asked("/run")
    is_with_runner = any(exchange.params.get("job_id") == job_id for exchange in asked)
    return worker_pid(cluster, job_id) if is_with_runner else None
