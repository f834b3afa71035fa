"""Programs of several tenants run only on an engine that isolates them wholly."""

import pytest

from application.errors import Conflict
from application.ports.execution_engine import EngineDescription
from domain.job_lifecycle import JobStatus
from domain.quota import UNLIMITED
from domain.tenant import DEFAULT_TENANT, TenantName, TenantTrigger
from tests.support.callers import a_caller
from tests.support.in_memory_service import InMemoryService

ADMIN = a_caller("default")
ACME = TenantName("acme")
WHOLLY = EngineDescription(name="engine", is_isolated=True)
PARTLY = EngineDescription(name="engine", is_isolated=True, missing=("a user id for each program: ...",))
NOT = EngineDescription(name="engine", is_isolated=False)
ELSEWHERE = EngineDescription(name="engine")
LATER_S = 5


@pytest.fixture
def service():
    return InMemoryService()


@pytest.fixture
def on(service, monkeypatch):
    """Give the engine of the service a description."""
    return lambda description: monkeypatch.setattr(service.engine, "describe", lambda: description)


@pytest.mark.parametrize("description", [PARTLY, NOT])
def test_a_second_tenant_is_refused_where_programs_are_not_isolated_wholly(service, on, description):
    on(description)

    with pytest.raises(Conflict, match=r"'acme' cannot be active beside 'default'; .*SHARED_TENANTS=allow"):
        service.create_tenant(ADMIN, "acme", UNLIMITED)

    assert [tenant.name for tenant in service.tenant_reader.all()] == [DEFAULT_TENANT]


@pytest.mark.parametrize("description", [WHOLLY, ELSEWHERE])
def test_there_are_several_tenants_where_programs_are_isolated_or_run_elsewhere(service, on, description):
    on(description)

    service.create_tenant(ADMIN, "acme", UNLIMITED)
    service.start()

    assert service.claim_execution() is not None


def test_another_tenant_may_take_the_place_of_a_suspended_one(service, on):
    on(PARTLY)
    service.change_tenant(ADMIN, DEFAULT_TENANT, TenantTrigger.SUSPEND)

    service.create_tenant(ADMIN, "acme", UNLIMITED)

    with pytest.raises(Conflict, match="'default' cannot be active beside 'acme'"):
        service.change_tenant(ADMIN, DEFAULT_TENANT, TenantTrigger.RESUME)


def test_the_only_tenant_is_resumed(service, on):
    on(PARTLY)
    service.change_tenant(ADMIN, DEFAULT_TENANT, TenantTrigger.SUSPEND)

    service.change_tenant(ADMIN, DEFAULT_TENANT, TenantTrigger.RESUME)

    assert service.tenant_reader.get(DEFAULT_TENANT).status.value == "ACTIVE"


def test_nothing_is_run_while_there_are_several_tenants(service, on):
    service.create_tenant(ADMIN, "acme", UNLIMITED)
    on(PARTLY)
    job = service.start()

    assert service.claim_execution() is None
    assert service.job_reader.get(ADMIN, job.job_id).job.status is JobStatus.RUNNING

    service.change_tenant(ADMIN, ACME, TenantTrigger.SUSPEND)
    service.clock.advance(LATER_S)

    assert service.claim_execution() is not None


def test_no_worker_is_woken_for_what_no_claim_would_get(service, on):
    service.create_tenant(ADMIN, "acme", UNLIMITED)
    on(PARTLY)
    service.start()
    service.clock.advance(LATER_S)

    assert service.recover_orphans() == 0

    service.change_tenant(ADMIN, ACME, TenantTrigger.SUSPEND)
    service.clock.advance(LATER_S)

    assert service.recover_orphans() == 1


def test_an_engine_that_runs_nothing_is_reported_with_the_remedy(service, on):
    process = service.process("worker-1", checks_engine=True)
    service.create_tenant(ADMIN, "acme", UNLIMITED)
    on(PARTLY)

    health = {part.name: part for part in process.check_health()}

    detail = str(health["engine"].detail)
    assert not health["engine"].is_healthy
    assert "no program is run" in detail
    assert "'acme', 'default' are active; suspend all but one, run the service on" in detail


def test_a_process_that_is_told_to_runs_programs_of_all(service, on):
    process = service.process("worker-1", separates_tenants=False)
    on(PARTLY)

    process.create_tenant(ADMIN, "acme", UNLIMITED)
    service.start()

    assert process.claim_execution() is not None
