"""The page of the engine and the queue."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from threading import Event

import pytest

from domain.catalogue.language import Language
from domain.catalogue.text import text
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT
from tests.http.support import Service, poll, serving
from tests.support.callers import ANONYMOUS
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
        assert re.search(r'Queued</span> (<span class="number">)?2', shown)
        assert re.search(r'Running</span> (<span class="number">)?1', shown)


def test_the_queue_is_a_table_of_what_runs_and_what_waits_and_why(busy: tuple[Service, dict]):
    service, _batch = busy
    page = service.http.get("/dashboard/cluster").text
    part = service.http.get("/dashboard/cluster/queue").text
    rows = re.findall(r"<tr>\s*<td>.*?</tr>", part, re.DOTALL)
    version = re.search(r'"seen": "([0-9a-f]+)"', part)[1]

    assert re.findall(r'badge (\w+)"', part) == ["running", "queued", "queued"]
    assert 'href="/dashboard/jobs/' in rows[0]
    assert "No. 1" in rows[1]
    assert "The only slot is in use." in rows[1]
    assert "No. 2" in rows[2]
    assert 'id="queue"' in page
    assert "of 1 slot " in page
    assert "1 worker" in page
    assert "the only slot is in use" in page
    again = service.http.get("/dashboard/cluster/queue", params={"seen": version})
    assert (again.status_code, again.text) == (204, "")


def test_the_first_page_says_why_jobs_wait(busy: tuple[Service, dict]):
    service, _batch = busy

    waits = service.http.get("/dashboard/waits").text

    assert 'hx-get="/dashboard/waits"' in service.http.get("/dashboard").text
    assert "2 jobs queued. The only slot is in use." in waits
    assert 'href="/dashboard/cluster"' in waits


def test_a_job_that_waits_names_the_cause(busy: tuple[Service, dict]):
    service, batch = busy
    last = batch["jobs"][-1]

    waiting = service.http.get(f"/api/jobs/{last}/timeline").json()["waiting"]

    assert (waiting["awaited"], waiting["place"]) == ("worker", 2)
    assert (waiting["cause"], waiting["detail"]) == ("slots", "The only slot is in use.")


def test_a_job_at_its_tenants_bound_says_so_on_its_page(busy: tuple[Service, dict]):
    service, batch = busy
    set_quota = service.container.services().set_quota
    set_quota(ANONYMOUS, DEFAULT_TENANT, Quota(running=1))
    try:
        page = service.http.get(f"/dashboard/jobs/{batch['jobs'][-1]}").text
        waits = service.http.get("/dashboard/waits").text
    finally:
        set_quota(ANONYMOUS, DEFAULT_TENANT, UNLIMITED)

    sentence = "Tenant default has 1 of 1 executions running."
    assert f"Queued, number 2 in line. {sentence}" in page
    assert f"2 jobs queued. {sentence}" in waits


def test_without_a_worker_the_first_page_says_what_to_start(busy: tuple[Service, dict], monkeypatch):
    service, _batch = busy
    monkeypatch.setattr(service.container.services().wait_causes, "_alive_s", -3_600.0)

    waits = service.http.get("/dashboard/waits").text
    page = service.http.get("/dashboard/cluster/state").text

    assert 'class="alert warning"' in waits
    assert "No worker is running. Start one with: service-server worker" in waits
    assert "no worker is running" in page


@pytest.mark.parametrize("language", Language)
def test_pages_say_in_the_readers_language_why_a_runtime_is_missing(
    busy: tuple[Service, dict], monkeypatch, language: Language
):
    service, _batch = busy
    project = service.http.get("/api/projects").json()[0]["project_id"]
    cause = text("engine.not_installed", language="php", missing="php", install="apt-get install php-cli")
    monkeypatch.setitem(service.engine.unavailable, "php", cause)

    for path in ("/dashboard/cluster", f"/dashboard/projects/{project}"):
        page = service.http.get(path, headers={"Accept-Language": language}).raise_for_status().text
        assert cause.into(language) in unescape(page)


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


@pytest.mark.parametrize(
    ("language", "names"),
    [("en", ["code store", "engine"]), ("ko", ["코드 저장소", "엔진"]), ("ja", ["コードストア", "エンジン"])],
)
def test_the_parts_of_the_service_are_named_in_the_visitor_s_language(service: Service, language, names):
    page = service.http.get("/dashboard/cluster", headers={"Accept-Language": language}).text

    shown = re.findall(r'aria-hidden="true"></span>([^<]+) <span class="muted small">', page)
    assert set(names) <= set(shown)
    assert len(shown) >= len({"code store", "log store", "database", "queue", "engine"})
