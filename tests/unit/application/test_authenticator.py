from dataclasses import replace
from datetime import timedelta

import pytest

from application.authenticator import KEPT_S, Authenticator
from application.errors import DependencyUnavailable, NotAuthenticated
from application.ports.unit_of_work import UnitOfWork
from application.timed_cache import TimedCache
from domain.api_key import ApiKey, KeyText, key_digest
from domain.caller import Scope
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT, TenantStatus
from tests.support.callers import a_tenant
from tests.support.in_memory_service import InMemoryService
from tests.support.samples import an_api_key

UNKNOWN = KeyText.generate().digest
LATER_S = KEPT_S + 0.01


class Database(UnitOfWork):
    """The service's database, whose reads are counted, and which may be away."""

    def __init__(self, of: UnitOfWork) -> None:
        self._of = of
        self.is_away = False
        self.reads = 0

    def run(self, work, outcome_retry=None):
        self.check()
        return self._of.run(work, outcome_retry)

    def read(self, work):
        self.check()
        self.reads += 1
        return self._of.read(work)

    def check(self) -> None:
        if self.is_away:
            raise DependencyUnavailable("database", "no answer")


@pytest.fixture
def database(service: InMemoryService) -> Database:
    return Database(service.unit_of_work)


@pytest.fixture
def authenticator(service: InMemoryService, database: Database) -> Authenticator:
    return Authenticator(unit_of_work=database, clock=service.clock, capacity=3)


def add(service: InMemoryService, tenant=None, **changes) -> ApiKey:
    """Store a key, and its tenant if that is not there."""
    tenant = tenant or a_tenant("acme")
    key = an_api_key(tenant=tenant.name, created_at=service.clock.now(), **changes)

    def store(transaction):
        if transaction.tenants.get(tenant.name) is None:
            transaction.tenants.add(tenant)
        transaction.keys.add(key)

    service.unit_of_work.run(store)
    return key


def change(service: InMemoryService, before: ApiKey, after: ApiKey) -> None:
    service.unit_of_work.run(lambda transaction: transaction.keys.replace(before, after))


def admit(authenticator: Authenticator, digest: str):
    kept = authenticator.cached(digest)
    return authenticator.admit(kept.value if kept else authenticator.look_up(digest), "192.0.2.1")


def test_a_key_is_its_tenants_caller(service, authenticator):
    key = add(service, tenant=a_tenant("acme", quota=Quota(running=3)), scopes=frozenset({Scope.JOBS_WRITE}))

    caller = admit(authenticator, key.digest)

    assert caller.tenant == a_tenant("acme", quota=Quota(running=3))
    assert (caller.principal, caller.scopes) == (f"key:{key.id}", {Scope.JOBS_WRITE})
    assert (caller.project, caller.address) == (None, "192.0.2.1")


def test_a_text_that_is_no_keys_is_looked_up_as_a_keys_is(authenticator, database):
    for text in ("", "ssk_", "ssk_" + "0" * 49, "é" * 65_536, KeyText.generate().value):
        with pytest.raises(NotAuthenticated) as refusal:
            admit(authenticator, key_digest(text))
        assert str(refusal.value) == str(NotAuthenticated())

    assert database.reads == 5


@pytest.mark.parametrize("changes", ["expired", "revoked", "tenant deleted"])
def test_a_closed_key_is_refused_as_an_unknown_one_is(service, authenticator, database, changes):
    now = service.clock.now()
    key = add(
        service,
        tenant=a_tenant("gone", TenantStatus.DELETED) if changes == "tenant deleted" else a_tenant("acme"),
        expires_at=now if changes == "expired" else None,
        revoked_at=now if changes == "revoked" else None,
    )

    for digest in (key.digest, UNKNOWN):
        database.reads = 0
        for _ in range(3):
            with pytest.raises(NotAuthenticated):
                admit(authenticator, digest)
        assert database.reads == 1
        assert not authenticator.was_good(digest)


def test_a_suspended_tenants_key_is_good(service, authenticator):
    key = add(service, tenant=a_tenant("late", TenantStatus.SUSPENDED))

    assert admit(authenticator, key.digest).tenant.status is TenantStatus.SUSPENDED


def test_a_key_is_read_once_in_a_while(service, authenticator, database):
    key = add(service)

    for _ in range(5):
        admit(authenticator, key.digest)
    assert database.reads == 1
    service.clock.advance(LATER_S)
    admit(authenticator, key.digest)
    assert database.reads == 2


def test_a_revoked_key_is_good_no_longer_than_it_is_kept(service, authenticator):
    key = add(service)
    admit(authenticator, key.digest)

    change(service, key, key.revoke(service.clock.now()))

    admit(authenticator, key.digest)
    service.clock.advance(LATER_S)
    with pytest.raises(NotAuthenticated):
        admit(authenticator, key.digest)
    assert KEPT_S + 1.0 < 5.0  # what is kept, and the interval of the checks of streams


def test_a_key_expires_while_it_is_kept(service, authenticator, database):
    key = add(service, expires_at=service.clock.now() + timedelta(seconds=1))
    admit(authenticator, key.digest)

    service.clock.advance(1)

    with pytest.raises(NotAuthenticated):
        admit(authenticator, key.digest)
    assert database.reads == 1


def test_a_key_that_was_refused_is_good_soon_after_it_is_made(service, authenticator):
    text = KeyText.generate()
    with pytest.raises(NotAuthenticated):
        admit(authenticator, text.digest)

    add(service, digest=text.digest)
    service.clock.advance(LATER_S)

    admit(authenticator, text.digest)
    assert authenticator.was_good(text.digest)


def test_a_known_key_outlives_an_outage_for_as_long_as_it_is_kept(service, authenticator, database):
    key = add(service)
    admit(authenticator, key.digest)

    database.is_away = True

    admit(authenticator, key.digest)
    service.clock.advance(LATER_S)
    for digest in (key.digest, UNKNOWN):
        with pytest.raises(DependencyUnavailable):
            admit(authenticator, digest)


def test_guesses_drive_no_good_key_out(service, authenticator, database):
    key = add(service)
    admit(authenticator, key.digest)

    for _ in range(10):
        with pytest.raises(NotAuthenticated):
            admit(authenticator, KeyText.generate().digest)

    database.is_away = True
    admit(authenticator, key.digest)


def test_the_use_of_a_key_is_recorded_together_with_others_and_some_minutes_apart(
    service, authenticator, database
):
    keys = [add(service), add(service)]
    unused = add(service)

    def used():
        stored = [service.database.tables.keys[key.id] for key in (*keys, unused)]
        return [key.last_used_at for key in stored]

    begin = service.clock.now()
    for key in keys:
        admit(authenticator, key.digest)
    assert used() == [None, None, None]
    authenticator.record_use()
    assert used() == [begin, begin, None]

    service.clock.advance(60)
    admit(authenticator, keys[0].digest)
    authenticator.record_use()
    assert used() == [begin, begin, None]

    service.clock.advance(300)
    admit(authenticator, keys[0].digest)
    database.is_away = True
    with pytest.raises(DependencyUnavailable):
        authenticator.record_use()
    database.is_away = False
    authenticator.record_use()
    assert used() == [service.clock.now(), begin, None]


def test_without_keys_the_default_tenant_is_read_once_in_a_while(service, authenticator, database):
    assert authenticator.cached_default() is None
    first = authenticator.read_default()
    assert (first.name, first.status) == (DEFAULT_TENANT, TenantStatus.ACTIVE)
    assert authenticator.cached_default() == first

    after = replace(first, status=TenantStatus.SUSPENDED)
    service.unit_of_work.run(lambda transaction: transaction.tenants.replace(first, after))
    service.clock.advance(LATER_S)

    assert authenticator.cached_default() is None
    assert authenticator.read_default() == after

    service.clock.advance(LATER_S)
    database.is_away = True
    assert authenticator.read_default() == after
    assert authenticator.cached_default() == after


def test_without_keys_and_without_a_database_the_default_tenant_is_active(authenticator, database):
    database.is_away = True

    assert authenticator.latest_default().status is TenantStatus.ACTIVE
    assert authenticator.read_default().name == DEFAULT_TENANT


def test_a_cache_keeps_the_latest_and_no_more_than_it_may(service):
    cache = TimedCache[int, str](2.0, 2, service.clock.monotonic)
    for number in (1, 2, 1, 3):
        cache.keep(number, str(number), service.clock.monotonic())

    assert len(cache) == 2
    assert cache.fresh(2) is None
    assert (cache.fresh(1).value, cache.fresh(3).value) == ("1", "3")

    cache.discard(1)
    service.clock.advance(2)
    assert (cache.latest(1), cache.fresh(3), cache.latest(3).value) == (None, None, "3")
