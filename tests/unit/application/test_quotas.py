"""Uploads and executions of tenants with quotas."""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from application.commands import UploadCodeCommand
from application.errors import QuotaExceeded
from domain.audit import Act, AuditEntry, AuditEntryId, Usage
from domain.caller import Caller
from domain.errors import InvalidValue
from domain.limits import STANDARD_BOUNDS
from domain.quota import Quota
from domain.tenant import TenantName
from tests.support.callers import a_caller
from tests.support.failing import Failing
from tests.support.in_memory_service import InMemoryService

MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def service(service: InMemoryService) -> InMemoryService:
    service.unit_of_work.run(lambda transaction: transaction.tenants.add(a_caller().tenant))
    return service


def limited(**figures: int) -> Caller:
    """Return a caller of `acme` with a quota."""
    return a_caller(quota=Quota.of(figures))


def upload(service: InMemoryService, caller: Caller, **changed: object):
    fields = {"project": "demo", "code": "print(1)", "language": "python", **changed}
    return service.upload_code(caller, UploadCodeCommand(**fields))


def use(service: InMemoryService, usage: Usage) -> None:
    """Record the use of the service by an earlier act of `acme`."""
    entry = AuditEntry(
        id=AuditEntryId(service.ids.new()),
        at=service.clock.now(),
        tenant=TenantName("acme"),
        principal="service",
        act=Act.JOB_END,
        subject="a job",
        usage=usage,
    )
    service.unit_of_work.run(lambda transaction: transaction.audit.add(entry))


def refusal(service: InMemoryService, caller: Caller, **changed: object) -> QuotaExceeded:
    before = dict(service.database.tables.jobs)
    with pytest.raises(QuotaExceeded) as refused:
        upload(service, caller, **changed)
    assert service.database.tables.jobs == before
    assert len(service.code_store.objects) == len(before)
    return refused.value


def test_no_more_jobs_are_uploaded_in_a_day_than_the_quota_allows(service):
    caller = limited(uploads_per_day=2)
    service.clock.advance(23 * 3_600 + 1_800.5)
    upload(service, caller)
    upload(service, caller)

    refused = refusal(service, caller)

    assert (refused.quota, refused.used, refused.allowed) == ("uploads_per_day", 2, 2)
    assert refused.retry_after_s == 1_800
    # The next day of UTC has a quota of its own.
    service.clock.advance(refused.retry_after_s)
    upload(service, caller)


def test_one_tenants_uploads_are_not_anothers(service):
    upload(service, limited(uploads_per_day=1))

    service.upload()

    refusal(service, limited(uploads_per_day=1))


def test_no_more_executions_wait_than_the_quota_allows(service):
    caller = limited(waiting=2)
    upload(service, caller, execute=True)
    pending = upload(service, caller)
    service.execute_job(caller, pending.job_id)
    third = upload(service, caller)

    refused = refusal(service, caller, execute=True)
    with pytest.raises(QuotaExceeded, match="the quota 'waiting' allows 2, and 2 are used"):
        service.execute_job(caller, third.job_id)

    assert (refused.quota, refused.used, refused.allowed) == ("waiting", 2, 2)
    assert 1 <= refused.retry_after_s <= 60
    # One that is claimed does not wait any more.
    service.claim()
    service.execute_job(caller, third.job_id)


def test_no_execution_starts_when_the_days_processor_time_is_used_up(service):
    caller = limited(cpu_seconds_per_day=10)
    use(service, Usage(cpu_ms=9_999))
    pending = upload(service, caller)
    upload(service, caller, execute=True)
    use(service, Usage(cpu_ms=1))

    refused = refusal(service, caller, execute=True)
    with pytest.raises(QuotaExceeded, match="'cpu_seconds_per_day' allows 10, and 10 are used"):
        service.execute_job(caller, pending.job_id)

    assert refused.retry_after_s == (MIDNIGHT - service.clock.now()).total_seconds()
    upload(service, caller)


def test_no_more_bytes_are_stored_than_the_quota_allows(service):
    caller = limited(stored_bytes=100)
    use(service, Usage(stored_bytes=60))
    service.clock.advance(86_400)
    upload(service, caller, code="#" * 40)

    refused = refusal(service, caller, code="#")

    assert (refused.quota, refused.used, refused.allowed) == ("stored_bytes", 100, 100)
    # What is deleted makes room.
    use(service, Usage(stored_bytes=-1))
    upload(service, caller, code="#")


@pytest.mark.parametrize("quota", ["uploads_per_day", "waiting", "cpu_seconds_per_day", "stored_bytes"])
def test_a_quota_of_zero_allows_nothing(service, quota: str):
    assert refusal(service, limited(**{quota: 0}), execute=True).quota == quota


def test_a_command_that_is_refused_again_stores_no_code_meanwhile(service, monkeypatch):
    caller = limited(uploads_per_day=1)
    upload(service, caller)
    refusal(service, caller)
    monkeypatch.setattr(service.code_store, "put", Failing(AssertionError("stored for nothing")).put)

    refusal(service, caller)


def test_a_refusal_is_in_the_audit_log(service):
    refusal(service, limited(uploads_per_day=0))

    (entry,) = service.database.tables.audit_journal.values()
    assert (entry.act, entry.outcome, entry.usage) == (Act.JOB_UPLOAD, "quota_exceeded", Usage())


def test_the_use_is_counted_at_most_four_times_a_second_while_plenty_is_left(service, monkeypatch):
    caller = limited(uploads_per_day=5_000, waiting=5_000)
    counted: list[object] = []
    monkeypatch.setattr(
        "tests.support.memory.audit_log.MemoryAuditLog.usage", lambda *_: counted.append(1) or Usage()
    )
    for _ in range(10):
        upload(service, caller, execute=True)
        service.clock.advance(0.0625)

    assert len(counted) == 3


def test_a_limit_beyond_the_quota_is_refused_and_a_default_is_lowered(service):
    caller = limited(memory_mb=64, timeout_ms=1_000)

    with pytest.raises(InvalidValue, match="must be from 16 to 64"):
        upload(service, caller, limits={"memory_mb": 65})
    job = upload(service, caller, limits={"timeout_ms": 500})

    limits = asdict(service.job_reader.get(caller, job.job_id).job.spec.limits)
    defaults = {name: bounds.default for name, bounds in STANDARD_BOUNDS.items()}
    assert limits == defaults | {"memory_mb": 64, "timeout_ms": 500}


def test_a_priority_beyond_the_quota_is_refused_and_the_default_is_lowered(service):
    caller = limited(max_priority=3)

    with pytest.raises(InvalidValue, match="the quota 'max_priority' allows priorities up to 3"):
        upload(service, caller, priority=4)
    job = upload(service, caller)

    assert service.job_reader.get(caller, job.job_id).job.spec.priority == 3


def test_a_job_is_run_again_within_the_quotas(service):
    caller = limited(uploads_per_day=1)
    job = upload(service, caller)

    with pytest.raises(QuotaExceeded):
        service.run_again(caller, job.job_id)
    with pytest.raises(InvalidValue, match="memory_mb"):
        service.run_again(replace(caller, tenant=limited(memory_mb=64).tenant), job.job_id)
