"""Whose log a job has: the one that its runner wrote and named, or one that is written here."""

import json

import pytest

from application.errors import StorageUnavailable
from application.log_archive import LOG_PREFIX
from domain.job_lifecycle import JobStatus
from domain.values import ObjectKey
from tests.support.in_memory_service import InMemoryService
from tests.support.runner import python_form, runs

OUTPUT = "x" * 100_000


@pytest.fixture
def service(engine):
    service = InMemoryService()
    service.engine.program = engine.execute
    return service


@pytest.fixture
def run(service):
    def run():
        job = service.start()
        service.run_execution()
        return service.job(job.job_id)

    return run


def log_of(service, job):
    return service.log_store.get(job.execution.result.log_key, 1 << 20)


def keep(service, change=lambda content: content):
    put = service.log_store.put
    return lambda key, content: put(ObjectKey(key), change(content), "application/json")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda content: content, id="with the key of the code"),
        pytest.param(lambda _: b'{"stdout": "ran", "job_id": null}', id="without any"),
        pytest.param(lambda content: repr(json.loads(content)).encode(), id="a Python literal"),
        pytest.param(lambda _: b"[1]", id="a list"),
        pytest.param(lambda _: b"\xff no JSON", id="no text"),
        pytest.param(lambda _: b"[" * 100_000, id="too deep"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_a_log_that_the_runner_wrote_is_the_job_s_whatever_its_form(service, runner, run, form):
    runner.keep_log = keep(service, form)

    job = run()

    assert job.status is JobStatus.SUCCESS
    assert list(service.log_store.objects) == [job.execution.result.log_key.value]


def test_a_log_that_the_runner_did_not_write_is_written_here_with_all_the_output(service, runner, run):
    runner.behaviour = runs(python_form, stdout=OUTPUT, log_key="logs/never-written.json")

    job = run()

    assert job.status is JobStatus.SUCCESS
    assert job.execution.result.stdout.truncated
    assert json.loads(log_of(service, job))["stdout"] == OUTPUT


def test_another_job_s_log_does_not_become_this_one_s(service, runner, run):
    # Given a runner that names the log of the job before
    runner.keep_log = keep(service)
    by_runner = run().execution.result.log_key
    runner.keep_log = None
    here = run().execution.result.log_key
    for key in (by_runner, here):
        runner.behaviour = runs(stdout="mine", log_key=key.value)
        # When another job runs, then it has a log of its own
        job = run()
        assert job.status is JobStatus.SUCCESS
        log = json.loads(log_of(service, job))
        assert (log["stdout"], log["job_id"]) == ("mine", str(job.job_id))


def test_a_log_that_is_too_large_to_be_looked_into_is_written_here(service, runner, run):
    service.log_store.put(ObjectKey("logs/large"), b" " * (5 << 20), "application/json")
    runner.behaviour = runs(stdout="mine", log_key="logs/large")

    job = run()

    assert json.loads(log_of(service, job))["stdout"] == "mine"


def test_a_log_that_cannot_be_looked_for_nor_written_is_written_when_it_can(service, runner, run):
    def away(*_):
        raise StorageUnavailable("it is away")

    runner.keep_log = keep(service)
    runner.behaviour = runs(stdout="mine")
    put = service.log_store.put
    service.log_store.get = service.log_store.put = away
    job = run()
    assert job.status is JobStatus.RUNNING

    del service.log_store.get
    service.log_store.put = put
    service.store_kept_results()

    job = service.job(job.job_id)
    assert job.status is JobStatus.SUCCESS
    assert json.loads(log_of(service, job))["stdout"] == "mine"


def test_a_runner_s_log_costs_one_look_and_no_writing(service, runner, run):
    runner.keep_log = keep(service)
    calls = []
    get = service.log_store.get
    service.log_store.get = lambda key, max_bytes: calls.append(key) or get(key, max_bytes)
    service.log_store.put = lambda *_: calls.append("written")

    job = run()

    assert calls == [job.execution.result.log_key]
    assert calls[0].value.startswith(LOG_PREFIX)
