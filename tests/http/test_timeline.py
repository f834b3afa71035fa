"""Why a job stands where it stands, and hearing of it while it happens."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Semaphore

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, LimitHit, Note
from domain.job_lifecycle import JobStatus, Reason
from entrypoints.http.streaming import job_notifier
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving

RAN = ["submitted", "queued", "claimed", "started", "ended"]


class Stoppable:
    """A program that runs until it is let go."""

    def __init__(self, result: ExecutionResult) -> None:
        self.started = Event()
        self.may_end = Event()
        self.result = result

    def __call__(self, _request, observer) -> EngineReport:
        observer.started()
        self.started.set()
        self.may_end.wait(90)
        return EngineReport(self.result)


@contextmanager
def running(service: Service, result: ExecutionResult | None = None) -> Iterator[tuple[Stoppable, str]]:
    program = Stoppable(result or ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))
    service.engine.program = program
    job_id = service.upload(execute=True)["job_id"]
    assert program.started.wait(90)
    try:
        yield program, job_id
    finally:
        program.may_end.set()


@contextmanager
def events(service: Service, job_id: str, last_event_id: str | None = None) -> Iterator[Iterator[dict]]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    with service.http.stream("GET", f"/api/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        yield read(response.iter_lines())


def read(lines: Iterator[str]) -> Iterator[dict]:
    event: dict = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if not line and event:
            yield event
            event = {}
        elif line:
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value


def timeline(service: Service, job_id: str) -> dict:
    response = service.http.get(f"/api/jobs/{job_id}/timeline")
    assert response.status_code == 200, response.text
    return response.json()


def steps(told: dict) -> list[str]:
    return [entry["step"] for entry in told["entries"]]


def test_a_pending_job_waits_to_be_executed(service: Service):
    told = timeline(service, service.upload()["job_id"])

    assert told["waiting"] == {"awaited": "execute", "place": None, "behind_more_than": None}
    assert steps(told) == ["submitted"]


def test_each_step_says_when_and_by_whom(service: Service):
    told = timeline(service, service.run()["job_id"])

    assert steps(told) == RAN
    assert [entry["by"].partition(" ")[0] for entry in told["entries"]] == ["caller"] * 2 + ["worker"] * 3
    times = [datetime.fromisoformat(entry["at"]) for entry in told["entries"]]
    assert times == sorted(times)
    (attempt,) = told["attempts"]
    assert attempt["queue_ms"] >= 0
    assert attempt["run_ms"] >= 0
    assert told["waiting"] is None
    assert told["engine"]["name"] == "scripted"


def test_the_limit_that_was_reached_is_told_beside_those_in_force(service: Service):
    limit = LimitHit("memory_mb", measured=64, allowed=64)
    result = ExecutionResult(status=JobStatus.FAILED, reason=Reason.MEMORY_LIMIT, limit=limit)
    with running(service, result) as (program, job_id):
        program.may_end.set()
        service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20})

    told = timeline(service, job_id)

    assert told["limit"] == {"name": "memory_mb", "measured": 64, "allowed": 64}
    assert {"timeout_ms", "memory_mb", "output_mb"} <= {limit["name"] for limit in told["limits"]}
    assert told["entries"][-1]["detail"] == "Memory: limit exceeded"


def test_a_job_cancelled_before_it_ran_has_that_as_its_proof(service: Service):
    job_id = service.upload()["job_id"]
    service.http.post(f"/api/cancel/{job_id}")

    told = timeline(service, job_id)

    assert told["cancellation"]["stopped"]
    assert "never started" in told["cancellation"]["proof"]


def test_a_cancelled_program_is_stopped_and_its_worker_says_so(service: Service):
    result = ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED, signal=9)
    with running(service, result) as (program, job_id):
        service.http.post(f"/api/cancel/{job_id}")
        assert not timeline(service, job_id)["cancellation"]["stopped"]
        with events(service, job_id) as told:
            program.may_end.set()
            heard = [event["data"]["step"] for event in told if event["event"] == "state"]

    assert heard == [*RAN, "stopped"]
    cancellation = timeline(service, job_id)["cancellation"]
    assert cancellation["stopped"]
    assert "signal 9" in cancellation["proof"]


@pytest.mark.parametrize("note", [Note.CANCEL_NOT_SUPPORTED, Note.MAY_RUN_ON])
def test_a_cancelled_program_that_its_engine_did_not_stop_is_not_said_to_be_stopped(
    service: Service, note: Note
):
    said = "The runner cannot stop programs: this one runs on to its end."
    result = ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error=said, notes=(note,))
    with running(service, result) as (program, job_id):
        service.http.post(f"/api/cancel/{job_id}")
        program.may_end.set()
        poll(lambda: service.http.get(f"/api/jobs/{job_id}").json()["executions"][0]["result"])

    told = timeline(service, job_id)

    assert (told["cancellation"]["stopped"], told["cancellation"]["proof"]) == (False, said)
    assert told["entries"][-1]["step"] == "ended"


def all_at_rest(service: Service) -> None:
    """Wait until nothing of the tests before waits or runs: it would take a place."""
    deadline = time.monotonic() + 90
    while service.http.get("/api/engine").json()["queue"]["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert service.container.services().in_flight.wait_until_empty(20)


def test_a_job_that_waits_for_a_worker_has_a_place_in_the_queue(service: Service):
    slots = service.container.settings().worker_threads
    gate, started = Event(), Semaphore(0)
    all_at_rest(service)

    def program(_request, observer) -> EngineReport:
        observer.started()
        started.release()
        gate.wait(90)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service.engine.program = program
    try:
        job_ids = [service.upload(execute=True)["job_id"] for _ in range(slots + 3)]
        assert all(started.acquire(timeout=90) for _ in range(slots))
        waiting = [timeline(service, job_id)["waiting"] for job_id in job_ids[-2:]]
        queue = service.http.get("/api/engine").json()["queue"]
    finally:
        gate.set()
    for job_id in job_ids:
        service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20})

    assert [(job["awaited"], job["place"]) for job in waiting] == [("worker", 2), ("worker", 3)]
    assert (queue["waiting"], queue["more_waiting"]) == (3, False)
    assert queue["oldest_waits_since"] is not None


def test_an_unknown_job_has_no_timeline(service: Service):
    assert_problem(service.http.get(f"/api/jobs/{UNKNOWN_ID}/timeline"), 404)
    assert_problem(service.http.get(f"/api/jobs/{UNKNOWN_ID}/events"), 404)


def test_what_happens_is_told_while_it_happens(service: Service):
    with running(service) as (program, job_id), events(service, job_id) as told:
        before = [next(told) for _ in range(4)]
        program.may_end.set()
        after = list(told)

    assert [event["data"]["step"] for event in before] == RAN[:4]
    assert [event["event"] for event in after] == ["state", "end"]
    assert after[0]["data"]["step"] == "ended"
    assert after[1]["data"]["status"] == "SUCCESS"


def test_a_start_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Given a service that does not look for changes by itself
    monkeypatch.setattr(job_notifier, "_RECHECK_S", 3_600)
    with serving(tmp_path) as service:
        program = Stoppable(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))
        service.engine.program = program
        job_id = service.upload()["job_id"]

        with events(service, job_id) as told:
            seen = [next(told)["data"]["step"]]
            service.http.post(f"/api/execute/{job_id}")
            seen += [next(told)["data"]["step"] for _ in range(3)]
        program.may_end.set()

    assert seen == RAN[:4]


def test_a_stream_goes_on_after_the_last_event_that_was_seen(service: Service):
    job_id = service.run()["job_id"]
    with events(service, job_id) as told:
        seen = list(told)

    with events(service, job_id, seen[2]["id"]) as told:
        assert list(told) == seen[3:]


@pytest.mark.parametrize("foreign", ["", "x", "1", "1.x", "-1.2", "²"])
def test_an_id_that_is_not_this_services_means_nothing_was_seen(service: Service, foreign):
    job_id = service.run()["job_id"]

    with events(service, job_id, foreign.encode()) as told:
        assert [event["data"]["step"] for event in told if event["event"] == "state"] == RAN


def test_output_can_be_followed_from_an_offset(service: Service):
    job_id = service.run(stdin="hello")["job_id"]

    with service.http.stream("GET", f"/api/jobs/{job_id}/output", params={"offset": 2}) as response:
        outputs = [event["data"] for event in read(response.iter_lines()) if event["event"] == "output"]

    assert outputs == [{"stream": "stdout", "offset": 2, "text": "llo"}]


def test_the_engine_says_what_it_is(service: Service):
    engine = service.http.get("/api/engine").json()

    assert engine["name"] == "scripted"
    assert (engine["isolated"], engine["missing"]) == (None, [])
    assert engine["slots"] >= 1
    assert "python" in {language["name"] for language in engine["languages"]}
