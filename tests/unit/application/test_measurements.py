"""What the use cases count and measure, in the whole application on adapters in memory."""

from dataclasses import replace

import pytest

from application import metrics
from application.commands import CreateWebhookCommand, UploadCodeCommand
from application.errors import DependencyUnavailable, NotFound, StorageUnavailable
from application.ports.execution_engine import EngineReport, WarmStarts
from application.ports.tracing import NO_TRACING
from application.store_meter import StoreMeter
from application.webhook_writer import SUBSCRIBERS_KNOWN_S
from domain.execution import ExecutionResult, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ObjectKey
from domain.webhook_event import WebhookEvent
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing
from tests.support.in_memory_service import LEASE_S, InMemoryService
from tests.support.memory.measurements import MemoryMeasurements
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.memory.operation_queries import MemoryOperationQueries

KEY = ObjectKey("a/b")


def counted(service: InMemoryService, metric: metrics.Counter) -> dict[tuple[str, ...], float]:
    return {labels: number for (one, labels), number in service.measurements.counted.items() if one is metric}


def observed(service: InMemoryService, metric: metrics.Histogram, *labels: str) -> list[float]:
    return service.measurements.observed[metric, labels]


def ended_with(result: ExecutionResult):
    def run(_request, observer):
        observer.started()
        return EngineReport(result)

    return run


@pytest.mark.parametrize(
    ("result", "labels"),
    [
        (ExecutionResult(status=JobStatus.SUCCESS), ("SUCCESS", "none", "node")),
        (
            ExecutionResult(status=JobStatus.FAILED, reason=Reason.SIGNAL, signal=11),
            ("FAILED", "signal", "node"),
        ),
        (
            ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.CPU_TIME_LIMIT),
            ("TIMEOUT", "cpu_time_limit", "node"),
        ),
    ],
    ids=str,
)
def test_a_job_is_counted_when_it_is_accepted_and_when_it_has_ended(service, result, labels):
    service.engine.program = ended_with(replace(result, resource=ResourceUsage(execution_time_ms=250)))
    service.start(language="js")

    service.run_execution()

    assert counted(service, metrics.JOBS_SUBMITTED) == {("node",): 1}
    assert counted(service, metrics.JOBS_ENDED) == {labels: 1}
    assert observed(service, metrics.RUN_TIME, "node") == [0.25]


def test_a_cancelled_job_has_ended(service):
    job = service.start()

    service.cancel_job(ANONYMOUS, job.job_id)

    assert counted(service, metrics.JOBS_ENDED) == {("CANCELLED", "cancelled", "python"): 1}


def test_the_jobs_of_a_batch_are_counted_one_by_one(service):
    fields = {"project": "demo", "code": "", "execute": True}
    commands = [UploadCodeCommand(language=name, **fields) for name in ("python", "py", "node")]

    service.submit_batch(ANONYMOUS, commands)
    while service.run_execution():
        pass

    assert counted(service, metrics.JOBS_SUBMITTED) == {("python",): 2, ("node",): 1}
    assert sum(counted(service, metrics.JOBS_ENDED).values()) == 3


def test_a_transaction_that_is_undone_counts_nothing(service, monkeypatch):
    monkeypatch.setattr(service.code_store, "put", Failing(StorageUnavailable("it is away")).run)

    with pytest.raises(StorageUnavailable):
        service.start()

    assert counted(service, metrics.JOBS_SUBMITTED) == {}


def test_the_waits_and_the_build_of_an_execution_are_measured(service):
    def build(_request, observer):
        observer.building()
        service.clock.advance(3)
        observer.started()
        service.clock.advance(5)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = build
    service.start()
    service.clock.advance(7)

    service.run_execution()

    assert observed(service, metrics.CLAIM_WAIT) == [7]
    assert observed(service, metrics.BUILD_TIME, "python") == [3]
    assert observed(service, metrics.START_WAIT) == [10]
    [log_bytes] = observed(service, metrics.LOG_BYTES)
    assert log_bytes > 100


def test_a_build_that_fails_is_measured_and_is_no_start(service):
    def fail(_request, observer):
        observer.building()
        service.clock.advance(2)
        return EngineReport(ExecutionResult.failed(Reason.COMPILE_ERROR, "it does not compile"))

    service.engine.program = fail
    service.start()

    service.run_execution()

    assert observed(service, metrics.BUILD_TIME, "python") == [2]
    assert observed(service, metrics.START_WAIT) == []


def test_orphans_are_counted_by_what_became_of_their_jobs(service):
    service.start(max_attempts=2)
    service.claim()
    service.pass_time(LEASE_S + 1)
    assert counted(service, metrics.ORPHANS_RECOVERED) == {("run_again",): 1}

    execution = service.claim()
    service.unit_of_work.run(
        lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
    )
    service.pass_time(LEASE_S + 1)

    assert counted(service, metrics.LEASES_EXPIRED) == {(): 2}
    assert counted(service, metrics.ORPHANS_RECOVERED) == {("run_again",): 1, ("ended",): 1}
    assert counted(service, metrics.JOBS_RETRIED) == {(): 1}
    assert counted(service, metrics.JOBS_ENDED) == {("FAILED", "worker_lost", "python"): 1}


def test_calls_that_are_tried_again_are_counted_by_their_dependency(service, monkeypatch):
    run, failures = service.unit_of_work.run, [DependencyUnavailable("database", "it is away")] * 2

    def fail_twice(_request, observer):
        def run_or_fail(*args):
            if failures:
                raise failures.pop()
            return run(*args)

        monkeypatch.setattr(service.unit_of_work, "run", run_or_fail)
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = fail_twice
    service.start()

    service.run_execution()

    assert counted(service, metrics.RETRIES) == {("database",): 2}


def test_attempts_to_post_an_event_are_counted_by_their_outcome(service):
    events = frozenset({WebhookEvent.JOB_COMPLETED})
    service.create_webhook(ANONYMOUS, CreateWebhookCommand(url="https://hooks.example.com/", events=events))
    service.clock.advance(SUBSCRIBERS_KNOWN_S)
    service.receivers.answer = lambda _post: 500
    service.start()
    service.run_execution()

    [delivery] = service.deliver_webhooks.claim(10)
    service.deliver_webhooks(delivery)
    service.receivers.answer = lambda _post: 200
    service.clock.advance(60)
    [delivery] = service.deliver_webhooks.claim(10)
    service.deliver_webhooks(delivery)

    assert counted(service, metrics.WEBHOOK_ATTEMPTS) == {("failed",): 1, ("delivered",): 1}


def test_the_figures_of_a_process_are_read_when_they_are_asked_for(service, monkeypatch):
    seen = {}

    def look(_request, observer):
        observer.started()
        seen.update(service.measurements.read())
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = look
    monkeypatch.setattr(service.engine, "warm_starts", lambda: {"Python": WarmStarts(5, 2, 4)}, raising=False)
    service.start()

    service.run_execution()

    assert (seen[metrics.WORKER_SLOTS, ()], seen[metrics.WORKER_SLOTS_BUSY, ()]) == (1, 1)
    assert service.measurements.read()[metrics.WORKER_SLOTS_BUSY, ()] == 0
    assert seen[metrics.PENDING_RESULTS, ()] == 0
    assert seen[metrics.WARM_STARTS, ("Python", "hit")] == 5
    assert seen[metrics.WARM_STARTS, ("Python", "miss")] == 2
    assert seen[metrics.WARM_READY, ("Python",)] == 4
    assert seen[metrics.DEPENDENCY_UP, ("database",)] == 1


def test_calls_of_a_store_are_timed_and_failures_counted(monkeypatch):
    measurements, inner = MemoryMeasurements(), MemoryObjectStore()
    store = StoreMeter(inner, "log", measurements, NO_TRACING)

    store.put(KEY, b"text", "text/plain")
    assert store.get(KEY, 10) == b"text"
    store.put_all({ObjectKey("c"): b""}, "text/plain")
    store.delete_all([ObjectKey("c")])
    with pytest.raises(NotFound):
        store.get(ObjectKey("c"), 10)
    monkeypatch.setattr(inner, "delete", Failing(StorageUnavailable("it is away")).run)
    with pytest.raises(StorageUnavailable):
        store.delete(KEY)

    calls = {
        labels[1]: len(values)
        for (metric, labels), values in measurements.observed.items()
        if metric is metrics.STORAGE_DURATION
    }
    assert calls == {"put": 2, "get": 2, "delete": 2}
    assert measurements.counted == {(metrics.STORAGE_ERRORS, ("log", "delete")): 1}


def test_shared_figures_are_read_and_kept_for_some_seconds(service, monkeypatch):
    service.start()
    service.clock.advance(7)
    first = service.measurements.read()
    reads = []
    queue = MemoryOperationQueries.queue
    monkeypatch.setattr(MemoryOperationQueries, "queue", lambda queries: reads.append(1) or queue(queries))

    again = service.measurements.read()
    kept = len(reads)
    service.start()
    service.cancel_job(ANONYMOUS, service.upload().job_id)
    service.clock.advance(6)
    later = service.measurements.read()

    assert (first[metrics.QUEUE_DEPTH, ("ready",)], first[metrics.QUEUE_OLDEST_AGE, ("ready",)]) == (1, 7)
    assert again == first
    assert kept == 0
    assert later[metrics.QUEUE_DEPTH, ("ready",)] == 2
    assert later[metrics.OUTBOX_MESSAGES, ()] == 1
    assert later[metrics.DEAD_LETTERS, ("webhooks",)] == 0


def test_a_job_that_its_runner_refuses_is_in_the_figures(service):
    failure = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, "The runner is full.")
    service.engine.program = lambda *_call: EngineReport(failure, is_startable=True, is_refused=True)
    service.start()
    service.run_execution()
    service.clock.advance(7)

    figures = service.measurements.read()

    assert figures[metrics.QUEUE_DEPTH, ("ready",)] == 0
    assert (figures[metrics.QUEUE_POSTPONED, ()], figures[metrics.QUEUE_POSTPONED_OLDEST_AGE, ()]) == (1, 7)


def test_without_the_database_shared_figures_are_left_out(service, monkeypatch):
    away = Failing(DependencyUnavailable("database", "it is away"))
    monkeypatch.setattr(MemoryOperationQueries, "queue", lambda _queries: away.queue())

    with pytest.raises(DependencyUnavailable):
        service.measurements.read()
