"""The causes of waits, and the queue as its callers see it."""

from dataclasses import replace

import pytest

from application.commands import UploadCodeCommand
from application.ports.execution_engine import EngineReport
from application.queries.queue_reader import MAX_LISTED
from application.queries.timeline import Waiting
from application.queries.wait_causes import WaitCause
from application.views import JobView
from domain.caller import Caller, Scope
from domain.execution import ExecutionResult
from domain.job_lifecycle import Reason
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT
from domain.values import JobId
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import LEASE_S, InMemoryService

ADMIN = replace(ANONYMOUS, scopes=frozenset(Scope))


@pytest.fixture
def service(service: InMemoryService) -> InMemoryService:
    """A service of which one worker is alive."""
    beat(service)
    return service


def beat(service: InMemoryService, *queues: str, worker: str = "worker-1") -> None:
    service.unit_of_work.run(
        lambda transaction: transaction.heartbeats.beat(worker, queues or ("python", "node"))
    )


def wait_of(service: InMemoryService, job_id: JobId) -> Waiting:
    waiting = service.job_reader.timeline(ANONYMOUS, job_id).waiting
    assert waiting is not None
    return waiting


def cause_of(service: InMemoryService, job_id: JobId) -> tuple[WaitCause, str]:
    wait = wait_of(service, job_id).wait
    assert wait is not None
    return wait.cause, str(wait.sentence)


def test_a_job_that_is_next_is_about_to_be_claimed(service: InMemoryService):
    job = service.start()

    assert cause_of(service, job.job_id) == (WaitCause.NEXT, "About to be claimed.")


def test_a_job_behind_as_many_as_run_at_once_waits_for_a_slot(service: InMemoryService):
    service.start()
    service.claim()
    job = service.start()

    assert cause_of(service, job.job_id) == (WaitCause.SLOTS, "The only slot is in use.")


def test_the_slots_of_several_workers_are_counted(service: InMemoryService):
    beat(service, worker="worker-2")
    for _ in range(2):
        service.start()
        service.claim()
    job = service.start()

    assert cause_of(service, job.job_id) == (WaitCause.SLOTS, "All 2 slots are in use.")


def test_a_job_without_a_worker_says_so_and_has_no_estimate(service: InMemoryService):
    for _ in range(3):
        service.start()
        service.run_execution()
    service.clock.advance(1)
    job = service.start()
    assert wait_of(service, job.job_id).about_ms is not None
    service.clock.advance(LEASE_S + 1)

    assert cause_of(service, job.job_id)[0] is WaitCause.NO_WORKER
    assert wait_of(service, job.job_id).about_ms is None


def test_a_job_in_a_language_that_no_worker_has_says_which(service: InMemoryService):
    beat(service, "node")
    job = service.start()

    assert cause_of(service, job.job_id) == (
        WaitCause.NO_RUNTIME,
        "No worker has the runtime python.",
    )


def test_a_job_at_its_tenants_bound_says_how_many_run(service: InMemoryService):
    service.set_quota(ANONYMOUS, DEFAULT_TENANT, Quota(running=1))
    service.start()
    service.claim()
    job = service.start()

    assert cause_of(service, job.job_id) == (
        WaitCause.TENANT_BOUND,
        "Tenant default has 1 of 1 executions running.",
    )
    service.set_quota(ANONYMOUS, DEFAULT_TENANT, UNLIMITED)
    assert cause_of(service, job.job_id)[0] is WaitCause.SLOTS


def test_the_queue_has_what_runs_and_what_waits_with_places_and_causes(service: InMemoryService):
    run = service.start()
    service.claim()
    first, second = service.start(), service.start()

    queue = service.queue_reader(ANONYMOUS)

    assert [job.job_id for job in queue.running] == [run.job_id]
    assert [(one.job.job_id, one.place, one.wait.cause) for one in queue.waiting] == [
        (first.job_id, 1, WaitCause.SLOTS),
        (second.job_id, 2, WaitCause.SLOTS),
    ]
    (summary,) = service.queue_reader.causes(ANONYMOUS)
    assert (summary.wait.cause, summary.jobs) == (WaitCause.SLOTS, 2)


def test_delayed_jobs_are_after_the_ones_that_wait_without_a_place(service: InMemoryService):
    service.engine.program = lambda _request, _observer: _failure()
    delayed = service.start(retry_on=frozenset({Reason.ENGINE_ERROR}), max_attempts=2)
    service.run_execution()
    waits = service.start()

    queue = service.queue_reader(ANONYMOUS)

    assert [(one.job.job_id, one.place, one.wait.cause) for one in queue.waiting] == [
        (waits.job_id, 1, WaitCause.NEXT),
        (delayed.job_id, None, WaitCause.RETRY),
    ]


def test_a_caller_sees_its_tenants_and_its_projects_jobs_and_an_administrator_all(
    service: InMemoryService,
):
    own = service.start()
    service.create_tenant(ADMIN, "acme", UNLIMITED)
    member = a_caller("acme", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.CLUSTER_READ}))
    others = [start_as(service, member, project) for project in ("one", "two")]
    in_project = replace(member, project=others[1].project_id)

    seen = {
        name: {one.job.job_id for one in service.queue_reader(caller).waiting}
        for name, caller in (
            ("member", member),
            ("own", ANONYMOUS),
            ("project", in_project),
            ("admin", ADMIN),
        )
    }

    assert seen == {
        "member": {job.job_id for job in others},
        "own": {own.job_id},
        "project": {others[1].job_id},
        "admin": {own.job_id, *(job.job_id for job in others)},
    }
    assert service.queue_reader(in_project).waiting[0].place == 2


def test_a_long_queue_is_listed_up_to_a_bound(service: InMemoryService):
    for _ in range(MAX_LISTED + 1):
        service.start()

    assert len(service.queue_reader(ANONYMOUS).waiting) == MAX_LISTED


def start_as(service: InMemoryService, caller: Caller, project: str) -> JobView:
    command = UploadCodeCommand(project=project, code="print(1)", language="python", execute=True)
    return service.upload_code(caller, command)


def _failure() -> EngineReport:
    return EngineReport(ExecutionResult.failed(Reason.ENGINE_ERROR, "It failed."))
