"""The page of the engine and the queue."""

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.http.support import Service, poll, serving
from tests.support.processes import PATIENCE_S
from tests.support.scripted_engine import echo


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict]]:
    """A service that runs one program at once, and a batch of three that do not end."""
    running, release = Event(), Event()

    def stay(request, observer):
        observer.started()
        running.set()
        release.wait(PATIENCE_S)
        return echo(request, observer)

    with serving(tmp_path_factory.mktemp("busy"), worker_threads=1) as service:
        service.engine.program = stay
        job = {"project": "busy", "code": "1", "language": "python"}
        batch = service.http.post("/api/batches", json={"jobs": [job] * 3}).raise_for_status().json()
        assert running.wait(PATIENCE_S)
        yield service, batch
        release.set()


def test_the_jobs_of_a_batch_that_wait_and_run_are_told_apart(busy: tuple[Service, dict]):
    service, batch = busy
    seen = service.http.get(f"/api/batches/{batch['batch_id']}").json()
    page = service.http.get(f"/dashboard/batches/{batch['batch_id']}").text
    pages = service.http.get("/dashboard/batches").text

    assert seen["by_status"]["RUNNING"] == 3
    assert seen["by_phase"] == {"waiting": 2, "building": 0, "running": 1, "ended": 0}
    for shown in (page, pages):
        assert re.search(r"Queued</span> 2", shown)
        assert re.search(r"Running</span> 1", shown)


def history(service: Service, minutes: int) -> dict:
    answer = service.http.get("/dashboard/cluster/history", params={"minutes": minutes})
    return answer.raise_for_status().json()


def test_the_history_survives_a_restart(tmp_path: Path):
    with serving(tmp_path) as service:
        first = poll(lambda: history(service, 60)["samples"])[0]
    with serving(tmp_path) as service:
        hour, month = history(service, 60), history(service, 43_200)
        refused = service.http.get("/dashboard/cluster/history", params={"minutes": 0})

    assert (first["waiting"], first["running"], first["age"], first["cpu"]) == (0, 0, 0, 12.5)
    assert (hour["step_s"], hour["samples"][0]) == (60, first)
    assert (month["step_s"], len(month["samples"])) == (3_600, 1)
    assert refused.status_code == 422
