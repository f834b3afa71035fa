from dataclasses import replace
from datetime import timedelta

import pytest

from application.commands import CreateKeyCommand
from application.errors import Conflict, NotFound
from domain.api_key import KeyId, KeyStatus
from domain.caller import Scope
from domain.errors import InvalidValue, KeyTransitionRefused, ScopeMissing, TenantTransitionRefused
from domain.project import ProjectTrigger
from domain.quota import UNLIMITED
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.support.callers import a_caller
from tests.support.in_memory_service import MAX_KEYS

ADMIN = a_caller("default", scopes=frozenset({Scope.ADMIN}))
ACME = a_caller("acme", scopes=frozenset(Scope) - {Scope.ADMIN})
READER = frozenset({Scope.JOBS_READ})


@pytest.fixture(autouse=True)
def tenants(service):
    service.create_tenant(ADMIN, "acme", UNLIMITED)
    service.create_tenant(ADMIN, "other", UNLIMITED)


def create(service, caller=ACME, **changes):
    command = CreateKeyCommand(name="a key", scopes=READER)
    return service.create_key(caller, replace(command, **changes))


def stored(service, issued):
    found = service.unit_of_work.read(lambda transaction: transaction.keys.find(issued.text.digest))
    return None if found is None else found[0]


def test_a_key_is_found_by_the_digest_of_its_text_alone(service):
    issued = create(service, expires_at=service.clock.now() + timedelta(days=1))

    key = stored(service, issued)
    assert issued.view.key == key
    assert key.digest == issued.text.digest
    assert key.created_by == ACME.principal
    assert key.tenant == TenantName("acme")
    assert issued.text.value not in repr(issued) + repr(key)


def test_a_caller_gives_no_scope_that_it_lacks(service):
    caller = a_caller("acme", scopes=frozenset({Scope.KEYS_WRITE, Scope.JOBS_READ}))

    with pytest.raises(ScopeMissing, match=Scope.JOBS_WRITE):
        create(service, caller, scopes=READER | {Scope.JOBS_WRITE})
    with pytest.raises(ScopeMissing, match=Scope.ADMIN):
        create(service, caller, scopes=frozenset({Scope.ADMIN}))

    assert create(service, caller).view.key.scopes == READER


def test_an_administrator_gives_every_scope_in_every_tenant(service):
    issued = create(service, ADMIN, scopes=frozenset(Scope), tenant=TenantName("other"))

    assert issued.view.key.tenant == TenantName("other")
    assert issued.view.key.scopes == frozenset(Scope)


@pytest.mark.parametrize("name", ["other", "default", "unknown"])
def test_another_tenants_key_takes_admin_whether_or_not_the_tenant_is_there(service, name):
    with pytest.raises(ScopeMissing, match=Scope.ADMIN):
        create(service, tenant=TenantName(name))


def test_ones_own_tenant_may_be_named(service):
    assert create(service, tenant=TenantName("acme")).view.key.tenant == TenantName("acme")


def test_an_unknown_tenant_gets_no_keys(service):
    with pytest.raises(NotFound):
        create(service, ADMIN, tenant=TenantName("unknown"))


def test_a_deleted_tenant_gets_no_keys(service):
    service.delete_tenant(ADMIN, TenantName("acme"))

    with pytest.raises(TenantTransitionRefused):
        create(service, ADMIN, tenant=TenantName("acme"))


def test_the_project_of_a_key_is_found_in_its_tenant(service):
    project = service.create_project(ACME, "mine", None)
    service.create_project(a_caller("other"), "theirs", None)

    assert create(service, project="mine").view.key.project == project.id
    assert create(service, project=str(project.id)).view.project == project.name
    assert create(service, ADMIN, project="mine", tenant=TenantName("acme")).view.key.project == project.id
    for unreachable in ("theirs", "2", "unknown"):
        with pytest.raises(NotFound):
            create(service, project=unreachable)


@pytest.mark.parametrize("trigger", [ProjectTrigger.DELETE, ProjectTrigger.PURGE])
def test_a_deleted_project_gets_no_keys(service, trigger):
    project = service.create_project(ACME, "mine", None)
    service.change_project(ACME, "mine", trigger)

    for reference in ("mine", str(project.id)):
        with pytest.raises(NotFound):
            create(service, project=reference)


def test_a_caller_of_one_project_gives_keys_of_that_project_alone(service):
    one = service.create_project(ACME, "one", None)
    service.create_project(ACME, "another", None)
    caller = replace(ACME, project=one.id)

    assert create(service, caller).view.key.project == one.id
    assert create(service, caller, project="one").view.key.project == one.id
    with pytest.raises(NotFound):
        create(service, caller, project="another")


def test_a_key_with_admin_reaches_every_project(service):
    service.create_project(ADMIN, "one", None)

    with pytest.raises(InvalidValue, match="reaches every project"):
        create(service, ADMIN, scopes=frozenset({Scope.ADMIN}), project="one")


def test_a_key_expires_in_the_future(service):
    with pytest.raises(InvalidValue, match="future"):
        create(service, expires_at=service.clock.now())

    issued = create(service, expires_at=service.clock.now() + timedelta(seconds=1))
    service.clock.advance(1)
    assert [view.status for view in service.key_reader.all(ACME)] == [KeyStatus.EXPIRED]
    assert stored(service, issued).status(service.clock.now()) is KeyStatus.EXPIRED


def test_closed_keys_make_room_and_active_ones_do_not(service):
    first, second, *_ = [create(service) for _ in range(MAX_KEYS)]

    with pytest.raises(Conflict, match="SERVICE_SERVER_MAX_KEYS"):
        create(service)
    with pytest.raises(Conflict, match="SERVICE_SERVER_MAX_KEYS"):
        service.rotate_key(ACME, first.view.key.id)

    service.revoke_key(ACME, second.view.key.id)
    create(service)

    assert stored(service, first) is not None
    assert stored(service, second) is None
    assert len(service.key_reader.all(ACME)) == MAX_KEYS
    create(service, ADMIN)


def test_keys_are_listed_within_the_callers_reach(service):
    project = service.create_project(ACME, "mine", None)
    of_all, of_one = create(service), create(service, project="mine")
    create(service, ADMIN)

    assert service.key_reader.all(ACME) == [of_all.view, of_one.view]
    assert service.key_reader.all(replace(ACME, project=project.id)) == [of_one.view]
    assert service.key_reader.all(ADMIN, TenantName("acme")) == [of_all.view, of_one.view]
    with pytest.raises(ScopeMissing):
        service.key_reader.all(ACME, TenantName("default"))
    with pytest.raises(NotFound):
        service.key_reader.all(ADMIN, TenantName("unknown"))


def test_a_rotated_key_lasts_through_the_overlap(service):
    project = service.create_project(ACME, "mine", None)
    expires_at = service.clock.now() + timedelta(days=90)
    issued = create(service, project="mine", expires_at=expires_at)
    rotator = replace(ACME, principal="key:rotator")

    successor = service.rotate_key(rotator, issued.view.key.id)

    old, new = stored(service, issued), stored(service, successor)
    assert old.expires_at == service.clock.now() + timedelta(hours=24)
    assert successor.view.key == new
    assert (new.scopes, new.project, new.expires_at, new.name) == (READER, project.id, expires_at, "a key")
    assert (new.created_by, successor.view.project) == ("key:rotator", project.name)
    service.clock.advance(24 * 3_600)
    assert [view.status for view in service.key_reader.all(ACME)] == [KeyStatus.EXPIRED, KeyStatus.ACTIVE]


def test_without_an_overlap_a_rotated_key_ends_at_once(service):
    issued = create(service)

    service.rotate_key(ACME, issued.view.key.id, 0)

    assert stored(service, issued).status(service.clock.now()) is KeyStatus.EXPIRED
    with pytest.raises(KeyTransitionRefused):
        service.rotate_key(ACME, issued.view.key.id)


@pytest.mark.parametrize("overlap_s", [-1, 30 * 86_400 + 1, 10**30])
def test_an_overlap_is_bounded(service, overlap_s):
    with pytest.raises(InvalidValue, match="overlap_s"):
        service.rotate_key(ACME, create(service).view.key.id, overlap_s)


def test_a_caller_rotates_no_key_with_a_scope_that_it_lacks(service):
    issued = create(service, ADMIN, scopes=frozenset({Scope.ADMIN}), tenant=TenantName("acme"))

    with pytest.raises(ScopeMissing, match=Scope.ADMIN):
        service.rotate_key(ACME, issued.view.key.id)


def test_a_revoked_key_stays_revoked(service):
    issued = create(service)

    revoked = service.revoke_key(ACME, issued.view.key.id)
    service.clock.advance(1)
    again = service.revoke_key(ACME, issued.view.key.id)

    assert revoked.status is KeyStatus.REVOKED
    assert again == revoked
    assert stored(service, issued) == revoked.key
    with pytest.raises(KeyTransitionRefused):
        service.rotate_key(ACME, issued.view.key.id)


def test_what_a_caller_does_not_reach_is_not_there(service):
    theirs = create(service, a_caller("other")).view.key.id
    of_all = create(service).view.key.id
    bound = replace(ACME, project=ProjectId(1))

    for caller, key_id in ((ACME, theirs), (ADMIN, theirs), (bound, of_all), (ACME, KeyId(theirs))):
        with pytest.raises(NotFound):
            service.revoke_key(caller, key_id)
        with pytest.raises(NotFound):
            service.rotate_key(caller, key_id)
    with pytest.raises(ScopeMissing):
        service.revoke_key(ACME, theirs, TenantName("other"))
    assert service.revoke_key(ADMIN, theirs, TenantName("other")).status is KeyStatus.REVOKED


def test_only_an_administrator_revokes_a_key_with_admin(service):
    create(service, ADMIN, scopes=frozenset({Scope.ADMIN}))
    issued = create(service, ADMIN, scopes=frozenset({Scope.ADMIN}), tenant=TenantName("acme"))

    with pytest.raises(ScopeMissing, match=Scope.ADMIN):
        service.revoke_key(ACME, issued.view.key.id)

    assert service.revoke_key(a_caller("acme"), issued.view.key.id).status is KeyStatus.REVOKED


def test_the_last_administrators_key_is_revoked_by_force_alone(service):
    one = create(service, ADMIN, scopes=frozenset({Scope.ADMIN})).view.key.id
    other = create(service, ADMIN, scopes=frozenset({Scope.ADMIN})).view.key.id
    create(
        service,
        ADMIN,
        scopes=frozenset({Scope.ADMIN}),
        expires_at=service.clock.now() + timedelta(seconds=1),
    )
    service.clock.advance(1)

    service.revoke_key(ADMIN, one)
    with pytest.raises(Conflict, match="force"):
        service.revoke_key(ADMIN, other)
    service.revoke_key(ADMIN, one)

    assert service.revoke_key(ADMIN, other, force=True).status is KeyStatus.REVOKED


def test_the_first_administrators_key_is_made_once(service):
    first = CreateKeyCommand(name="first", scopes=frozenset({Scope.ADMIN}), first=True)
    create(service, ADMIN)
    issued = service.create_key(ADMIN, first)

    with pytest.raises(Conflict):
        service.create_key(ADMIN, first)
    service.revoke_key(ADMIN, issued.view.key.id, force=True)
    with pytest.raises(Conflict):
        service.create_key(ADMIN, first)


def test_a_key_with_a_limit_of_requests_gives_none_a_higher_one(service):
    limited = replace(ACME, requests_per_s=10)

    with pytest.raises(InvalidValue, match="must be at most 10, as of the key that gives it"):
        create(service, limited, requests_per_s=11)
    made = [create(service, limited, requests_per_s=rate).view.key.requests_per_s for rate in (None, 3)]

    assert made == [10, 3]
    assert create(service).view.key.requests_per_s is None


def test_a_key_that_expires_gives_none_that_lasts_longer(service):
    end = service.clock.now() + timedelta(hours=1)
    expiring = replace(ACME, expires_at=end)

    with pytest.raises(InvalidValue, match="when the key that gives it expires"):
        create(service, expiring, expires_at=end + timedelta(microseconds=1))
    made = [create(service, expiring, expires_at=at).view.key.expires_at for at in (None, end)]

    assert made == [end, end]
    assert create(service, replace(ADMIN, expires_at=end)).view.key.expires_at is None


@pytest.mark.parametrize(
    ("own", "higher"),
    [
        ({"expires_at": timedelta(hours=1)}, {"expires_at": timedelta(hours=2)}),
        ({"requests_per_s": 10}, {"requests_per_s": 11}),
    ],
)
def test_a_caller_rotates_no_key_that_exceeds_its_own(service, own, higher):
    def bounds(given):
        now = service.clock.now()
        return {name: now + of if isinstance(of, timedelta) else of for name, of in given.items()}

    bounded = replace(ACME, **bounds(own))
    for exceeding in (create(service), create(service, **bounds(higher))):
        with pytest.raises(ScopeMissing, match=Scope.ADMIN):
            service.rotate_key(bounded, exceeding.view.key.id)
    administrator = replace(ADMIN, **bounds(own))
    assert service.rotate_key(administrator, exceeding.view.key.id, 0, TenantName("acme"))

    equal = create(service, **bounds(own))
    assert service.rotate_key(bounded, equal.view.key.id).view.status is KeyStatus.ACTIVE


@pytest.mark.parametrize("rate", [-1, 2**63])
def test_a_limit_of_requests_is_a_whole_number_that_fits(service, rate):
    with pytest.raises(InvalidValue) as refused:
        create(service, requests_per_s=rate)

    assert refused.value.field == "requests_per_s"
