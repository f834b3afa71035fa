"""A purge whose process is killed at its worst moment."""

import re
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from tests.support import service
from tests.support.files import files_below
from tests.support.no_tls import NO_TLS
from tests.support.processes import eventually

JOBS = 300
TABLES = ("jobs", "job_tags", "executions", "purges", "pending_deletions")


def rows(data_dir: Path) -> dict[str, int]:
    """Count the rows of each table."""
    with closing(sqlite3.connect(next(data_dir.glob("*.sqlite3")))) as database:
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # noqa: S608


def files(data_dir: Path) -> list[Path]:
    """Return the objects, and the results and the output that are kept beside them."""
    directories = ("code", "log", "pending-logs", "output")
    return files_below(*(data_dir / name for name in directories))


def test_a_purge_that_is_killed_in_its_middle_leaves_nothing_undone_and_nothing_half_visible(tmp_path):
    env = service.environment(tmp_path)
    with service.served(env) as server:
        ended = [server.upload("print(1)", project="purged", execute=True)["job_id"] for _ in range(3)]
        assert all(server.job(job_id, wait_s=60)["status"] == "SUCCESS" for job_id in ended)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: server.upload("", project="purged", tags={"n": str(n)}), range(JOBS)))
        kept = server.upload("print('kept')", project="kept")["job_id"]
        before = len(files(tmp_path))
        assert before == len(ended) * 2 + JOBS + 1

        with server.http as http:
            http.delete("/api/projects/purged", params={"purge": "true"}).raise_for_status()
            assert [job["job_id"] for job in http.get("/api/jobs?limit=1000").json()] == [kept]
        assert eventually(lambda: re.search(r"purged \d+ jobs of project 'purged'", server.output))
        server.stop(signal.SIGKILL)

    with service.served(env) as server:
        listed = httpx.get(f"{server.url}/api/jobs", params={"limit": 1000}, verify=NO_TLS).json()
        assert [job["job_id"] for job in listed] == [kept]
        assert all(
            httpx.get(f"{server.url}/api/jobs/{job_id}", verify=NO_TLS).status_code == 404 for job_id in ended
        )
        assert eventually(lambda: not any(rows(tmp_path)[name] for name in TABLES[3:]))
        assert server.job(kept)["status"] == "PENDING"
        assert eventually(lambda: "purged project 'purged'" in server.output)

    assert rows(tmp_path) == {"jobs": 1, "job_tags": 0, "executions": 0, "purges": 0, "pending_deletions": 0}
    assert [path.stem for path in files(tmp_path)] == [kept]
