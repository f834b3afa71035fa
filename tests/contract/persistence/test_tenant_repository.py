import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from application.errors import ConcurrencyConflict, Conflict, NotFound
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT, TenantName, TenantStatus, TenantTrigger
from tests.support.callers import a_tenant

ACME = TenantName("acme")
QUOTA = Quota(running=10, stored_bytes=2**62, limits={"timeout_ms": 5_000})


def add(store, name="acme", **changes):
    tenant = replace(a_tenant(name), **changes)
    store.run(lambda transaction: transaction.tenants.add(tenant))
    return tenant


def get(store, name=ACME):
    return store.run(lambda transaction: transaction.tenants.get(name))


def change(store, before, after):
    store.run(lambda transaction: transaction.tenants.replace(before, after))


def test_the_default_tenant_is_there_from_the_start(store):
    default = get(store, DEFAULT_TENANT)

    assert default.status is TenantStatus.ACTIVE
    assert default.quota == Quota()
    assert store.run(lambda transaction: transaction.tenants.all()) == [default]


@pytest.mark.parametrize("quota", [Quota(), QUOTA])
def test_a_tenant_is_found_by_its_name(store, quota):
    tenant = add(store, quota=quota)

    assert get(store) == tenant
    assert store.run(lambda transaction: transaction.tenants.lock(ACME)) == tenant


def test_there_is_no_unknown_tenant(store):
    assert get(store) is None
    assert store.run(lambda transaction: transaction.tenants.lock(ACME)) is None
    with pytest.raises(NotFound):
        store.run(lambda transaction: transaction.tenants.lock_or_raise(ACME))


def test_tenants_are_listed_by_their_names_deleted_ones_among_them(store):
    later = add(store, "zeta")
    deleted = add(store, "beta", status=TenantStatus.DELETED)

    assert store.run(lambda transaction: transaction.tenants.all()) == [
        deleted,
        get(store, DEFAULT_TENANT),
        later,
    ]


@pytest.mark.parametrize("status", TenantStatus)
def test_a_name_is_never_given_anew(store, status):
    tenant = add(store, status=status)

    with pytest.raises(Conflict):
        add(store)

    assert get(store) == tenant


def test_one_of_many_at_once_gets_the_name(store):
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def adds(number):
        barrier.wait()
        try:
            units_of_work[number % 2].run(lambda transaction: transaction.tenants.add(a_tenant()))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(adds, range(8))) == 1


def test_a_decision_on_a_status_that_has_changed_is_void(store):
    tenant = add(store)
    change(store, tenant, tenant.apply(TenantTrigger.SUSPEND))

    def work(transaction):
        with pytest.raises(ConcurrencyConflict):
            transaction.tenants.replace(tenant, replace(tenant, quota=QUOTA))

    store.run(work)
    assert get(store) == replace(tenant, status=TenantStatus.SUSPENDED)


def test_a_change_of_the_status_keeps_a_quota_that_was_set_meanwhile(store):
    tenant = add(store)
    change(store, tenant, replace(tenant, quota=QUOTA))

    change(store, tenant, tenant.apply(TenantTrigger.SUSPEND))

    assert get(store) == replace(tenant, status=TenantStatus.SUSPENDED, quota=QUOTA)


def test_a_change_to_the_same_is_no_conflict(store):
    tenant = add(store, quota=QUOTA)

    change(store, tenant, tenant)

    assert get(store) == tenant


def test_transactions_that_lock_a_tenant_follow_each_other(store):
    tenant = add(store)
    units_of_work = [store.unit_of_work, store.another()]

    def raise_by_one(number):
        def work(transaction):
            locked = transaction.tenants.lock(tenant.name)
            quota = replace(locked.quota, running=(locked.quota.running or 0) + 1)
            transaction.tenants.replace(locked, replace(locked, quota=quota))

        units_of_work[number % 2].run(work)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(raise_by_one, range(24)))
    assert get(store).quota.running == 24
