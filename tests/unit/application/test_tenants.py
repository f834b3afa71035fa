from dataclasses import replace

import pytest

from application.commands import CreateKeyCommand, UploadCodeCommand
from application.errors import Conflict, NotFound
from domain.api_key import KeyStatus
from domain.audit import SERVICE, Act
from domain.caller import Scope
from domain.errors import InvalidValue, TenantTransitionRefused
from domain.job_lifecycle import JobStatus
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT, TenantName, TenantStatus, TenantTrigger
from tests.support.callers import a_caller

ADMIN = a_caller("default")
ACME = a_caller("acme")
NAME = TenantName("acme")
QUOTA = Quota(running=3, limits={"memory_mb": 64})


@pytest.fixture
def acme(service):
    return service.create_tenant(ADMIN, "acme", QUOTA)


def upload(service, caller, *, execute=True):
    command = UploadCodeCommand(project="demo", code="print(1)", language="python", execute=execute)
    return service.upload_code(caller, command)


def status(service, caller, job):
    return service.job_reader.get(caller, job.job_id).job.status


def test_a_tenant_is_created_with_its_quota(service, acme):
    assert acme.status is TenantStatus.ACTIVE
    assert acme.quota == QUOTA
    assert acme.created_at == service.clock.now()
    assert service.tenant_reader.get(NAME) == acme
    assert [tenant.name for tenant in service.tenant_reader.all()] == [NAME, DEFAULT_TENANT]


def test_a_name_that_breaks_the_rule_makes_no_tenant(service):
    with pytest.raises(InvalidValue):
        service.create_tenant(ADMIN, "Acme", UNLIMITED)

    assert len(service.tenant_reader.all()) == 1


@pytest.mark.parametrize("name", ["acme", "default"])
def test_a_name_is_never_given_anew(service, acme, name):
    service.delete_tenant(ADMIN, acme.name)

    with pytest.raises(Conflict, match="names are never reused"):
        service.create_tenant(ADMIN, name, UNLIMITED)


def test_a_tenant_is_suspended_and_resumed(service, acme):
    assert service.change_tenant(ADMIN, NAME, TenantTrigger.SUSPEND) == replace(
        acme, status=TenantStatus.SUSPENDED
    )
    assert service.change_tenant(ADMIN, NAME, TenantTrigger.SUSPEND).status is TenantStatus.SUSPENDED
    assert service.change_tenant(ADMIN, NAME, TenantTrigger.RESUME) == acme
    assert service.tenant_reader.get(NAME) == acme


def test_a_quota_takes_the_place_of_the_whole_one_before(service, acme):
    changed = service.set_quota(ADMIN, NAME, Quota(waiting=0))

    assert changed == replace(acme, quota=Quota(waiting=0))
    assert service.tenant_reader.get(NAME) == changed


def test_there_is_no_unknown_tenant(service):
    for trigger in (TenantTrigger.SUSPEND, TenantTrigger.RESUME):
        with pytest.raises(NotFound):
            service.change_tenant(ADMIN, NAME, trigger)
    with pytest.raises(NotFound):
        service.delete_tenant(ADMIN, NAME)
    with pytest.raises(NotFound):
        service.set_quota(ADMIN, NAME, QUOTA)
    with pytest.raises(NotFound):
        service.tenant_reader.get(NAME)


def test_a_deleted_tenant_stays_deleted(service, acme):
    deleted = service.delete_tenant(ADMIN, NAME)

    assert deleted == replace(acme, status=TenantStatus.DELETED)
    assert service.delete_tenant(ADMIN, NAME) == deleted
    assert service.tenant_reader.get(NAME) == deleted
    for trigger in (TenantTrigger.SUSPEND, TenantTrigger.RESUME):
        with pytest.raises(TenantTransitionRefused):
            service.change_tenant(ADMIN, NAME, trigger)
    with pytest.raises(TenantTransitionRefused):
        service.set_quota(ADMIN, NAME, QUOTA)


def test_the_default_tenant_cannot_be_deleted(service):
    job = upload(service, ADMIN)

    with pytest.raises(TenantTransitionRefused):
        service.delete_tenant(ADMIN, DEFAULT_TENANT)

    assert status(service, ADMIN, job) is JobStatus.RUNNING


def test_the_keys_of_a_deleted_tenant_are_revoked_and_no_others(service, acme):
    command = CreateKeyCommand(name="a key", scopes=frozenset({Scope.JOBS_READ}))
    service.create_key(ACME, command)
    service.create_key(ADMIN, command)

    service.delete_tenant(ADMIN, acme.name)

    assert [view.status for view in service.key_reader.all(ADMIN, NAME)] == [KeyStatus.REVOKED]
    assert [view.status for view in service.key_reader.all(ADMIN)] == [KeyStatus.ACTIVE]


def test_a_tenant_with_all_keys_of_administrators_stays(service, acme):
    command = CreateKeyCommand(name="a key", scopes=frozenset({Scope.ADMIN}))
    service.create_key(ADMIN, replace(command, tenant=NAME))

    with pytest.raises(Conflict, match="another tenant"):
        service.delete_tenant(ADMIN, acme.name)

    service.create_key(ADMIN, command)
    assert service.delete_tenant(ADMIN, NAME).status is TenantStatus.DELETED


def test_the_jobs_of_a_deleted_tenant_are_cancelled_and_removed_and_no_others(service, acme):
    waiting, pending = upload(service, ACME), upload(service, ACME, execute=False)
    other = upload(service, ADMIN)
    claimed = service.claim()
    assert claimed.job_id == waiting.job_id
    service.relay.offered.clear()

    service.delete_tenant(ADMIN, acme.name)
    service.remove_deleted()

    for job in (waiting, pending):
        with pytest.raises(NotFound):
            status(service, ACME, job)
    assert status(service, ADMIN, other) is JobStatus.RUNNING
    assert service.announced().count("JobCancelled") == 1
    assert list(service.code_store.objects) == [other.code_key]


def test_a_deletion_of_many_jobs_goes_on_batch_by_batch(service, acme):
    for _ in range(250):
        upload(service, ACME, execute=False)
    service.delete_tenant(ADMIN, acme.name)
    service.delete_tenant(ADMIN, acme.name)

    assert service.remove_deleted() == 250

    assert not service.database.tables.jobs
    assert not service.code_store.objects


def test_what_is_uploaded_while_a_tenant_is_deleted_goes_too(service, acme):
    service.delete_tenant(ADMIN, acme.name)
    service.remove_deleted()
    upload(service, ACME, execute=False)

    service.clock.advance(61)
    service.remove_deleted()
    service.remove_deleted()

    tables = service.database.tables
    assert not tables.jobs
    assert not tables.projects
    assert not tables.purges
    entries = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(100))
    ends = [entry for entry in entries if entry.principal == SERVICE]
    assert [(entry.act, entry.subject) for entry in ends] == [(Act.TENANT_DELETE, NAME.value)]
