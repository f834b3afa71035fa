import pytest

from application.errors import DependencyUnavailable, NotFound, StorageUnavailable
from application.ports.execution_engine import EngineReport
from application.use_cases.complete_execution import MessageKey
from domain.api_key import KeyText
from domain.audit import Act, Usage
from domain.errors import InvalidValue, JobTransitionRefused, TenantTransitionRefused, TooLarge
from domain.execution import ExecutionResult, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from domain.project import ProjectTrigger
from domain.tenant import DEFAULT_TENANT, TenantStatus
from domain.values import JobId
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import LEASE_S


def entries(service):
    return service.unit_of_work.read(lambda transaction: transaction.audit.waiting(10_000))


def acts(service):
    return [(entry.act, entry.outcome) for entry in entries(service)]


def test_each_command_has_an_entry(service):
    service.create_project(ANONYMOUS, "demo", None)
    job = service.upload(code="12345")
    service.execute_job(ANONYMOUS, job.job_id)
    service.cancel_job(ANONYMOUS, job.job_id)
    again = service.run_again(ANONYMOUS, job.job_id)
    service.cancel_job(ANONYMOUS, again.job_id)
    for trigger in (ProjectTrigger.ARCHIVE, ProjectTrigger.RESTORE, ProjectTrigger.DELETE):
        service.change_project(ANONYMOUS, "demo", trigger)

    assert [(entry.act, entry.subject) for entry in entries(service)] == [
        (Act.PROJECT_CREATE, "demo"),
        (Act.JOB_UPLOAD, str(job.job_id)),
        (Act.JOB_EXECUTE, str(job.job_id)),
        (Act.JOB_CANCEL, str(job.job_id)),
        (Act.JOB_UPLOAD, str(again.job_id)),
        (Act.JOB_CANCEL, str(again.job_id)),
        (Act.PROJECT_ARCHIVE, "demo"),
        (Act.PROJECT_RESTORE, "demo"),
        (Act.PROJECT_DELETE, "demo"),
    ]
    assert {(entry.principal, entry.outcome, entry.project) for entry in entries(service)} == {
        ("anonymous", "done", job.project_id)
    }
    assert entries(service)[1].usage == Usage(uploads=1, stored_bytes=5)


def test_a_refused_command_has_an_entry_and_no_effect(service):
    job = service.start()
    with pytest.raises(JobTransitionRefused):
        service.execute_job(ANONYMOUS, job.job_id)

    refused = entries(service)[-1]
    assert (refused.act, refused.subject) == (Act.JOB_EXECUTE, str(job.job_id))
    assert refused.outcome == "job_transition_refused"
    assert refused.usage == Usage()


def test_checks_before_a_transaction_are_refusals_too(service):
    suspended = a_caller(status=TenantStatus.SUSPENDED)
    job = service.upload()
    with pytest.raises(TenantTransitionRefused):
        service.execute_job(suspended, job.job_id)
    with pytest.raises(TooLarge):
        service.upload(code="x" * 2_000)

    assert acts(service)[1:] == [
        (Act.JOB_EXECUTE, "tenant_transition_refused"),
        (Act.JOB_UPLOAD, "too_large"),
    ]


def test_a_thing_of_another_tenant_is_refused_as_not_found_to_its_caller(service):
    job = service.upload()
    with pytest.raises(NotFound):
        service.cancel_job(a_caller("acme"), job.job_id)

    refused = entries(service)[-1]
    assert (str(refused.tenant), refused.outcome, refused.project) == ("acme", "not_found", None)


def test_a_key_that_a_refused_caller_gave_as_a_name_is_masked(service):
    key = KeyText.generate().value
    with pytest.raises(InvalidValue):
        service.upload(project=f"{key}/")

    (refused,) = entries(service)
    assert key not in refused.subject
    assert refused.subject.startswith("ssk_")


def test_a_failure_is_no_refusal(service):
    def away(*_arguments):
        raise DependencyUnavailable("object store", "away")

    service.code_store.put = away
    with pytest.raises(DependencyUnavailable):
        service.upload()

    assert entries(service) == []


def refuse(service, caller=None, address="203.0.113.1"):
    service.record_refusal(Act.ACCESS_REFUSE, caller, address, "/api/jobs", "unauthorized")


def test_refusals_of_one_source_are_bounded_and_the_rest_counted(service):
    for _ in range(1_000):
        refuse(service)
    refuse(service, address="203.0.113.2")

    assert [entry.address for entry in entries(service)] == ["203.0.113.1"] * 20 + ["203.0.113.2"]

    service.clock.advance(60)
    service.record_refusal.record_left_out()
    counted = entries(service)[-1]
    assert (counted.outcome, counted.left_out, counted.address) == ("left_out", 980, "203.0.113.1")
    service.clock.advance(60)
    service.record_refusal.record_left_out()
    assert entries(service)[-1] == counted


def test_a_caller_with_a_key_is_one_source_from_all_its_addresses(service):
    for number in range(100):
        refuse(service, a_caller("acme"), f"203.0.113.{number}")

    assert len(entries(service)) == 20


def test_refusals_of_many_sources_are_bounded_in_all(service):
    for number in range(2_000):
        refuse(service, address=f"2001:db8::{number:x}")
    service.clock.advance(60)
    refuse(service)

    recorded = entries(service)
    assert len([entry for entry in recorded if entry.outcome == "unauthorized"]) == 601
    counted = [entry.left_out for entry in recorded if entry.outcome == "left_out"]
    assert sum(counted) == 1_400
    assert len(counted) <= 101


def test_a_refusal_while_the_database_is_away_is_still_the_refusal(service, monkeypatch):
    job_id = JobId(service.ids.new())

    def away(_work, _retry=None):
        raise DependencyUnavailable("database", "away")

    work = service.unit_of_work.run

    def refused_and_then_away(work_of_command, retry=None):
        monkeypatch.setattr(service.unit_of_work, "run", away)
        return work(work_of_command, retry)

    monkeypatch.setattr(service.unit_of_work, "run", refused_and_then_away)
    with pytest.raises(NotFound):
        service.cancel_job(ANONYMOUS, job_id)


def test_posting_moves_all_entries_in_batches_and_counts_left_out_refusals_first(service):
    for _ in range(600):
        service.create_project(ANONYMOUS, "demo", None)
    for _ in range(30):
        refuse(service)
    service.clock.advance(60)

    assert service.post_audit_entries() == 621
    assert service.post_audit_entries() == 0
    links = [linked.link for linked in service.database.tables.audit_ledger]
    assert [link.sequence for link in links] == list(range(1, 622))
    assert service.database.tables.audit_ledger[-1].row.left_out == 10


def ends(service):
    return [entry for entry in entries(service) if entry.act == Act.JOB_END]


def measured(_request, observer):
    observer.started()
    return EngineReport(
        ExecutionResult(
            status=JobStatus.SUCCESS,
            exit_code=0,
            resource=ResourceUsage(execution_time_ms=900, cpu_time_ms=700),
        )
    )


def test_an_end_is_recorded_with_its_usage(service):
    service.engine.program = measured
    job = service.start()
    service.run_execution()

    (end,) = ends(service)
    (log,) = service.log_store.objects.values()
    assert (end.subject, end.principal, end.project) == (str(job.job_id), "service", job.project_id)
    assert end.usage == Usage(executions=1, cpu_ms=700, stored_bytes=len(log))
    assert service.unit_of_work.read(
        lambda transaction: transaction.audit.usage(DEFAULT_TENANT, service.clock.now().date())
    ) == Usage(uploads=1, executions=1, cpu_ms=700, stored_bytes=len(log) + len("print(1)"))


def test_a_result_that_comes_twice_counts_once(service):
    service.start()
    execution = service.claim()
    result = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)
    for number in range(3):
        service.complete_execution(execution.id, result, MessageKey("engine", str(number)))

    assert len(ends(service)) == 1


def test_the_usage_of_a_cancelled_program_counts_once(service):
    job = service.start()
    execution = service.claim()
    service.cancel_job(ANONYMOUS, job.job_id)
    assert ends(service) == []

    result = ExecutionResult(
        status=JobStatus.CANCELLED, reason=Reason.CANCELLED, resource=ResourceUsage(execution_time_ms=300)
    )
    for _ in range(2):
        service.complete_execution(execution.id, result)

    assert [end.usage for end in ends(service)] == [Usage(executions=1, cpu_ms=300)]


def test_an_execution_that_lost_its_worker_counts_if_it_had_started(service):
    service.start()
    execution = service.claim()
    service.unit_of_work.run(
        lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
    )
    service.pass_time(LEASE_S + 2 * 10 + 2)

    assert [end.usage for end in ends(service)] == [Usage(executions=1)]


def test_a_log_that_is_kept_counts_when_it_is_stored(service, monkeypatch):
    def away(*_arguments):
        raise StorageUnavailable("away")

    monkeypatch.setattr(service.log_store, "put", away)
    service.start()
    service.run_execution()
    assert ends(service) == []

    monkeypatch.undo()
    service.store_kept_results()

    (log,) = service.log_store.objects.values()
    assert [end.usage.stored_bytes for end in ends(service)] == [len(log)]
