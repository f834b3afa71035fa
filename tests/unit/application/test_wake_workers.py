import json

import pytest

from application.use_cases.complete_execution import MessageKey
from domain.job_lifecycle import JobStatus
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT, TenantTrigger
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import LEASE_S
from tests.support.scripted_engine import echo, take_over


def set_running(service, running):
    service.set_quota(ANONYMOUS, DEFAULT_TENANT, Quota(running=running))


def woken(service):
    """Return how many workers were woken since it was asked last."""
    times, service.work_queue.wake_ups = service.work_queue.wake_ups, 0
    return times


def test_a_resumed_tenants_executions_are_woken_for(service):
    for _ in range(3):
        service.start()
    service.change_tenant(ANONYMOUS, DEFAULT_TENANT, TenantTrigger.SUSPEND)
    assert woken(service) == 0
    assert not service.run_execution()

    service.change_tenant(ANONYMOUS, DEFAULT_TENANT, TenantTrigger.RESUME)

    assert woken(service) == 3
    assert service.run_execution()


def test_no_more_are_woken_for_than_may_run_and_than_the_queue_is_for(service):
    for _ in range(4):
        service.start()
    set_running(service, 2)
    assert woken(service) == 2
    set_running(service, 0)
    assert woken(service) == 0
    set_running(service, None)
    assert woken(service) == 4

    service.process("worker-2", max_wake_ups=3).set_quota(ANONYMOUS, DEFAULT_TENANT, UNLIMITED)

    assert woken(service) == 3


def test_the_end_of_an_execution_wakes_a_worker_for_the_next_of_a_bounded_tenant(service):
    for _ in range(3):
        service.start()
    set_running(service, 1)
    woken(service)
    others = []
    service.engine.program = lambda *about: others.append(service.run_execution()) or echo(*about)

    assert service.run_execution()

    assert others == [False]
    assert woken(service) == 1


def test_the_last_end_wakes_no_worker(service):
    set_running(service, 1)
    service.start()

    assert service.run_execution()

    assert woken(service) == 0


def test_ends_of_a_tenant_without_a_bound_wake_no_worker_and_are_looked_at_now_and_then(service):
    for _ in range(3):
        service.start()
    read, reads = service.unit_of_work.read, []
    service.unit_of_work.read = lambda work: reads.append(work) or read(work)

    assert service.run_execution()
    assert len(reads) == 1
    assert service.run_execution()

    assert len(reads) == 1
    assert woken(service) == 0
    set_running(service, 1)
    service.clock.advance(6)
    service.start()
    woken(service)
    assert service.run_execution()
    assert woken(service) == 1


@pytest.mark.parametrize("end", ["report", "cancel", "loss"])
def test_the_end_of_a_delegated_execution_wakes_a_worker(service, end):
    service.engine.program = take_over
    set_running(service, 1)
    first, _second = service.start(), service.start()
    assert service.run_execution()
    assert woken(service) == 0
    assert not service.run_execution()

    if end == "report":
        report = {"stdout": "", "stderr": "", "exit_code": 0, "job_id": str(first.job_id)}
        execution_id = service.job(first.job_id).execution.id
        assert service.report_completion(execution_id, json.dumps(report).encode(), MessageKey("test", "1"))
    elif end == "cancel":
        service.cancel_job(ANONYMOUS, first.job_id)
    else:
        service.pass_time(LEASE_S * 3)
        assert service.job(first.job_id).status is JobStatus.TIMEOUT

    assert woken(service) >= 1
    assert service.run_execution()


def test_executions_that_wait_for_their_tenant_are_not_woken_for_again_and_again(service):
    set_running(service, 0)
    service.start()
    service.pass_time(60)
    assert woken(service) == 0

    service.change_tenant(ANONYMOUS, DEFAULT_TENANT, TenantTrigger.SUSPEND)
    service.set_quota(ANONYMOUS, DEFAULT_TENANT, UNLIMITED)
    service.pass_time(60)
    assert woken(service) == 0

    service.change_tenant(ANONYMOUS, DEFAULT_TENANT, TenantTrigger.RESUME)
    woken(service)
    service.pass_time(60)
    assert woken(service) > 0


def test_a_queue_that_is_away_fails_no_command_and_no_execution(service, caplog):
    service.start()
    set_running(service, 1)
    service.start()
    service.work_queue.is_available = False

    set_running(service, 2)
    service.start()
    assert service.run_execution()

    assert "workers not woken for tenant default" in caplog.text


def test_a_standalone_runner_waits_for_its_tenant(service):
    set_running(service, 1)
    service.start()
    held, job = service.claim(), service.start()

    def pause(seconds):
        service.cancel_job(ANONYMOUS, held.job_id)
        service.clock.sleep(seconds)

    service.run_standalone(service.job(job.job_id).execution.id, pause)

    assert service.job(job.job_id).status is JobStatus.SUCCESS
