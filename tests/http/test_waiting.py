import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID, uuid4

import pytest

from adapters.in_process.event_feed import InProcessEventFeed
from application.messages import Message
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from domain.values import JobId, MessageId
from entrypoints.http.streaming import job_notifier
from entrypoints.http.streaming.job_notifier import JobNotifier, RecentJobs
from tests.http.support import UNKNOWN_ID, Service, serving
from tests.support.callers import ANONYMOUS
from tests.support.loop_thread import run_apart
from tests.support.processes import PATIENCE_S, eventually

OTHER_ID = "01890a5d-ac96-774b-bcce-b302099a8059"
DONE = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)


def told(name: str, job_id: str) -> Message:
    """Return a message about a job."""
    return Message(id=MessageId(uuid4()), name=name, body={"job_id": job_id})


@pytest.fixture
def may_end(service: Service):
    """Programs run until a test lets them end."""
    event = Event()

    def wait(_request, observer):
        observer.started()
        event.wait(90)
        return EngineReport(DONE)

    service.engine.program = wait
    yield event
    event.set()


def test_an_upload_that_waits_answers_with_the_result(service: Service):
    body = {"project": "wait", "code": "1", "language": "python", "execute": True, "stdin": "x"}

    job = service.http.post("/api/upload", params={"wait": 20}, json=body).json()

    assert (job["status"], job["message"]) == ("SUCCESS", "Succeeded")
    assert job["data"]["result"]["stdout"] == "x"


def test_an_upload_that_does_not_execute_does_not_wait(service: Service):
    body = {"project": "wait", "code": "1", "language": "python"}
    begin = time.monotonic()

    job = service.http.post("/api/upload", params={"wait": 20}, json=body).json()

    assert job["status"] == "PENDING"
    assert time.monotonic() - begin < 10


def test_a_wait_ends_the_moment_the_job_does(
    service: Service, may_end: Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_notifier, "_RECHECK_S", 3_600)
    job_id = service.upload(execute=True)["job_id"]
    with ThreadPoolExecutor(1) as pool:
        url = f"/api/jobs/{job_id}/status"
        waiting = pool.submit(service.http.get, url, params={"wait": 3_600}, timeout=PATIENCE_S)
        assert eventually(lambda: service.is_waited_for(job_id))
        ended_at = time.monotonic()
        may_end.set()
        status = waiting.result().json()

    assert status["status"] == "SUCCESS"
    assert time.monotonic() - ended_at < 20  # and not when its time is up, or the database is asked again


def test_a_wait_that_is_over_answers_with_what_there_is(service: Service, may_end: Event):
    job_id = service.upload()["job_id"]

    job = service.http.post(f"/api/execute/{job_id}", params={"wait": 0.05}).json()
    status = service.http.get(f"/api/status/{job_id}", params={"wait": 0.05}).json()

    assert (job["status"], job["message"]) == ("RUNNING", "Execution started")
    assert status["status"] == "RUNNING"
    assert not may_end.is_set()


def test_a_job_that_has_ended_is_not_waited_for(service: Service):
    job_id = service.run()["job_id"]

    status = service.http.get(f"/api/status/{job_id}", params={"wait": 20}, timeout=15).json()

    assert status["status"] == "SUCCESS"


def test_a_cancel_ends_a_wait(service: Service, may_end: Event):
    job_id = service.upload(execute=True)["job_id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.http.get, f"/api/jobs/{job_id}/status", params={"wait": 20})
        service.http.post(f"/api/cancel/{job_id}").raise_for_status()
        may_end.set()

        assert waiting.result().json()["status"] == "CANCELLED"


def test_a_lost_event_only_delays(service: Service, may_end: Event, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service.notifier, "_wake", lambda *_: None)
    job_id = service.upload(execute=True)["job_id"]
    may_end.set()
    begin = time.monotonic()

    status = service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20}).json()

    assert status["status"] == "SUCCESS"
    assert time.monotonic() - begin < 15  # and not when its time is up


def test_nobody_waits_longer_than_the_setting_allows(tmp_path):
    with serving(tmp_path, max_wait_s=0.05) as service:
        job_id = service.upload()["job_id"]
        status = service.http.get(f"/api/status/{job_id}", params={"wait": 86_400}, timeout=10).json()

    assert status["status"] == "PENDING"


def test_those_who_wait_hold_no_thread(tmp_path):
    with serving(tmp_path, http_threads=2, max_wait_s=30) as service:
        job_id = service.upload()["job_id"]
        with ThreadPoolExecutor(20) as pool:
            url = f"{service.http.base_url}/api/jobs/{job_id}/status"
            waiting = [pool.submit(service.http.get, url, params={"wait": 30}) for _ in range(20)]
            assert eventually(lambda: service.notifier.capacity.used >= 20)

            service.http.post(f"/api/execute/{job_id}").raise_for_status()

            assert {answer.result().json()["status"] for answer in waiting} == {"SUCCESS"}


def test_nobody_waits_for_a_caller_who_has_hung_up(service: Service):
    job_id = service.upload()["job_id"]
    url = service.http.base_url
    for request in (f"GET /api/status/{job_id}?wait=30", f"GET /api/jobs/{job_id}/status?wait=30"):
        with socket.create_connection((url.host, url.port)) as caller:
            caller.sendall(f"{request} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert eventually(lambda: service.is_waited_for(job_id))

        assert eventually(lambda: not service.is_waited_for(job_id))


def test_a_server_that_stops_answers_those_who_wait(tmp_path):
    with serving(tmp_path) as service, ThreadPoolExecutor(1) as pool:
        job_id = service.upload()["job_id"]
        waiting = pool.submit(service.http.get, f"/api/jobs/{job_id}/status", params={"wait": 30})
        assert eventually(lambda: service.is_waited_for(job_id))

        service.server.should_exit = True

        assert waiting.result(timeout=90).json()["status"] == "PENDING"


def test_waiting_outlives_a_bug_in_looking_for_changes():
    asked: list[object] = []
    is_asked_again = Event()

    def fail(job_ids):
        asked.append(job_ids)
        if len(asked) > 1:
            is_asked_again.set()
        raise RuntimeError("a bug")

    async def look_twice() -> None:
        notifier = JobNotifier(InProcessEventFeed(), fail, 9, recheck_s=0.001)
        await notifier.start()
        with notifier.listen(ANONYMOUS, JobId(UUID(UNKNOWN_ID))):
            assert await asyncio.to_thread(is_asked_again.wait, 10)
        await notifier.stop()

    run_apart(look_twice())


def test_who_begins_to_wait_when_the_job_has_just_ended_does_not_wait():
    feed = InProcessEventFeed()

    async def listen_late() -> list[bool]:
        notifier = JobNotifier(feed, lambda _ids: {}, 9)
        await notifier.start()
        feed.publish([told("JobCompleted", UNKNOWN_ID), told("JobStarted", OTHER_ID)])
        woken = []
        for job_id in (UNKNOWN_ID, OTHER_ID):
            with notifier.listen(ANONYMOUS, JobId(UUID(job_id)), is_for_end=True) as subscription:
                woken.append(await subscription.wait(0.05))
        await notifier.stop()
        return woken

    assert run_apart(listen_late()) == [True, False]


def test_only_the_jobs_that_ended_last_are_remembered():
    recent = RecentJobs(2)
    for job_id in ("first", "second", "second", "third"):
        recent.add(job_id)

    assert [job_id in recent for job_id in ("first", "second", "third")] == [False, True, True]
