"""Jobs that wait, are built and run, and an engine that is down, as pages show them."""

import re
from threading import Event

import pytest

from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineDescription, EngineReport
from domain.catalogue.text import text
from domain.execution import ExecutionResult, LimitHit
from domain.job_lifecycle import JobStatus, Reason
from tests.http.support import Service, serving
from tests.support.processes import PATIENCE_S
from tests.support.scripted_engine import echo

ADDRESS = "http://runners.example:8080/python/run"


@pytest.fixture
def down(tmp_path):
    with serving(tmp_path) as service:

        def check() -> None:
            raise DependencyUnavailable("engine", "it does not answer")

        service.engine.check = check
        service.engine.describe = lambda: EngineDescription(name="runners", addresses=(ADDRESS,))
        yield service


def test_an_engine_that_is_down_is_a_banner_on_every_page_with_its_address(down: Service):
    project = down.http.post("/api/project", params={"project_name": "demo"}).json()["project_id"]
    banner = down.http.get("/dashboard/engine").text

    assert f"The engine at {ADDRESS} is not responding." in banner
    for page in ("/dashboard", f"/dashboard/projects/{project}", "/dashboard/cluster", "/dashboard/batches"):
        assert f"The engine at {ADDRESS} is not responding." in down.http.get(page).text, page
    korean = down.http.get("/dashboard", headers={"Accept-Language": "ko"}).text
    assert f"엔진({ADDRESS})이 응답하지 않습니다." in korean


def test_an_engine_that_is_well_has_no_banner(service: Service):
    assert "not responding" not in service.http.get("/dashboard/engine").text


def test_the_counts_of_a_project_tell_waiting_and_running_apart(tmp_path):
    with serving(tmp_path) as service:
        running = Event()
        release = Event()

        def stay(request, observer):
            observer.started()
            running.set()
            release.wait(PATIENCE_S)
            return echo(request, observer)

        service.engine.program = stay
        try:
            service.upload(execute=True)
            assert running.wait(PATIENCE_S)
            page = service.http.get("/dashboard").text
            assert re.search(r'pill running" href="[^"]*\?state=running"', page)
            assert "pill queued" not in page
            job = service.running()[0]["job_id"]
            summary = service.http.get(f"/dashboard/jobs/{job}/summary").text
            assert 'data-announce="Running"' in summary
            assert "data-elapsed=" in summary
        finally:
            release.set()


def test_the_panel_of_a_run_that_was_not_started_has_the_cause(down: Service):
    sentence = "The engine did not answer."
    down.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, sentence)
    )
    job = down.run()["job_id"]

    summary = down.http.get(f"/dashboard/jobs/{job}/summary").text

    assert f"Not started: the engine is not responding {sentence}" in summary


def test_a_limit_is_shown_with_its_figures_once_in_the_heading(service: Service):
    result = ExecutionResult(
        status=JobStatus.FAILED,
        reason=Reason.MEMORY_LIMIT,
        limit=LimitHit("memory_mb", 261, 256),
        error="The program used more memory than it may.",
    )
    service.engine.program = lambda _request, _observer: EngineReport(result)
    job = service.run()["job_id"]

    page = service.http.get(f"/dashboard/jobs/{job}").text

    assert "Memory limit exceeded: 261 MiB of 256 MiB" in page
    assert "memory_mb" not in re.sub(r"<details.*?</details>", "", page)
    assert "than it may" not in page


def test_a_stored_error_is_english_in_the_api_and_in_the_readers_language_on_its_page(service: Service):
    failed = ExecutionResult.failed(
        Reason.ENGINE_ERROR, text("outcomes.cannot_run", cause="No space left on device")
    )
    service.engine.program = lambda _request, _observer: EngineReport(failed)
    job = service.run()["job_id"]

    result = service.http.get(f"/api/jobs/{job}").json()["data"]["result"]
    pages = {
        language: service.http.get(f"/dashboard/jobs/{job}", headers={"Accept-Language": language}).text
        for language in ("en", "ko", "ja")
    }

    assert result["error_message"] == "The engine could not run the program: No space left on device."
    assert result["error_text"] == {
        "code": "outcomes.cannot_run",
        "values": {"cause": "No space left on device"},
    }
    assert result["error_message"] in pages["en"]
    assert "엔진이 프로그램을 실행할 수 없었습니다: No space left on device." in pages["ko"]
    assert "エンジンがプログラムを実行できませんでした: No space left on device。" in pages["ja"]


@pytest.mark.parametrize(
    ("given", "stored"), [("10 s", 10_000), ("1500 ms", 1_500), ("2", None), ("ten seconds", None)]
)
def test_the_editor_takes_limits_with_units(service: Service, given, stored):
    project = service.http.post("/api/project", params={"project_name": "demo"}).json()["project_id"]
    page = service.http.get(f"/dashboard/projects/{project}").text
    form = {
        "csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1],
        "code": "print(1)",
        "language": "python",
        "timeout_ms": given,
        "memory_mb": "0.25 GiB",
    }

    answer = service.http.post(
        f"/dashboard/projects/{project}/run", files={name: (None, value) for name, value in form.items()}
    )

    if stored is None:
        assert answer.status_code == 422
    else:
        job = service.http.get(f"/api/jobs/{answer.headers['location'].rpartition('/')[2]}").json()
        limits = job["spec"]["limits"]
        assert (limits["timeout_ms"], limits["memory_mb"]) == (stored, 256)
