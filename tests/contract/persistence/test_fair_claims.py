import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.sql.tables import executions
from domain.language import LANGUAGES
from domain.quota import Quota
from domain.tenant import TenantName, TenantStatus, TenantTrigger
from tests.support.callers import a_caller
from tests.support.repository_steps import (
    await_storage,
    claim,
    defer,
    delegate,
    end_execution,
    get,
    waiting,
)
from tests.support.samples import NOW, a_running_job


@pytest.fixture
def tenants(store):
    """Makes tenants that are stored, and remembers whose job is whose."""
    return Tenants(store)


class Tenants:
    """The tenants of a test, and the executions that they have waiting."""

    def __init__(self, store):
        self._store = store
        self._owners = {}

    def add(self, *names, **quota):
        """Store tenants with a quota."""

        def work(transaction):
            for name in names:
                transaction.tenants.add(a_caller(name, quota=Quota(**quota)).tenant)

        self._store.run(work)

    def change(self, name, change):
        """Change a tenant as it is stored."""

        def work(transaction):
            before = transaction.tenants.get(TenantName(name))
            transaction.tenants.replace(before, change(before))

        self._store.run(work)

    def queue(self, name, number=1, **spec):
        """Have executions of a tenant wait; return them."""
        made = [
            a_running_job(self._store, caller=a_caller(name), now=NOW + timedelta(seconds=second), **spec)[1]
            for second in range(number)
        ]
        self._owners |= {execution.id: name for execution in made}
        return made

    def owner(self, execution_id):
        """Return the name of an execution's owner."""
        return self._owners[execution_id]

    def claim(self, *, limit=1, after=None, queues=None):
        """Claim once; return the owners of the executions that were claimed."""
        claimed = self._store.run(
            lambda transaction: transaction.executions.claim_next(
                "worker", 30, limit=limit, after=after and TenantName(after), queues=queues
            )
        )
        return [self._owners[execution.id] for execution in claimed]

    def claim_in_turn(self, times, limit=1):
        """Claim several times, as one worker does; return all owners."""
        owners = []
        for _ in range(times):
            owners += self.claim(limit=limit, after=owners[-1] if owners else None)
        return owners


def test_a_tenant_with_many_urgent_executions_does_not_delay_another(tenants):
    tenants.add("acme", "beta")
    tenants.queue("acme", 6, priority=9)
    assert tenants.claim_in_turn(3) == ["acme"] * 3

    tenants.queue("beta", priority=0)

    assert tenants.claim(after="acme") == ["beta"]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_tenants_are_served_alike(tenants, limit):
    tenants.add("acme", "beta", "gamma")
    tenants.queue("beta", 8)
    tenants.queue("acme", 2)
    tenants.queue("gamma", 5)

    owners = tenants.claim_in_turn(15, limit)

    assert Counter(owners[:6]) == {"acme": 2, "beta": 2, "gamma": 2}
    assert Counter(owners[6:12]) == {"beta": 3, "gamma": 3}
    assert owners[12:] == ["beta"] * 3


def test_the_tenant_of_which_the_fewest_run_is_next(store, tenants):
    tenants.add("acme", "beta", "gamma")
    tenants.queue("acme", 3)
    tenants.queue("gamma", 3)
    running = tenants.queue("beta", 3)
    assert sorted(tenants.claim(limit=6)) == ["acme", "acme", "beta", "beta", "gamma", "gamma"]
    for execution in running[:2]:
        end_execution(store, execution, None)

    assert tenants.claim(after="acme") == ["beta"]
    assert tenants.claim(limit=9, after="beta") == ["gamma", "acme"]


def test_of_equal_tenants_the_one_after_the_last_served_is_next_and_at_last_itself(tenants):
    tenants.add("acme", "beta", "gamma")
    for name in ("acme", "beta", "gamma"):
        tenants.queue(name, 1)

    assert tenants.claim(limit=3, after="beta") == ["gamma", "acme", "beta"]


def test_names_that_begin_alike_are_told_apart(tenants):
    names = ["a", "a-1", "a-b", "a0", "aa", "b", "default-1"]
    tenants.add(*names)
    for name in ("default", *names):
        tenants.queue(name, 2)

    assert tenants.claim_in_turn(8) == ["a", "a-1", "a-b", "a0", "aa", "b", "default", "default-1"]
    assert sorted(tenants.claim(limit=8, after="b")) == sorted(["default", *names])
    assert tenants.claim(limit=8) == []


def test_more_tenants_than_one_statement_looks_at_are_all_found(tenants):
    names = [f"tenant-{number:03}" for number in range(90)]
    tenants.add(*names)
    for name in names:
        tenants.queue(name, 1)

    assert tenants.claim(limit=89) == names[:89]
    tenants.queue(names[40], 1)
    assert sorted(tenants.claim(limit=9, after=names[20])) == [names[40], names[89]]


def test_a_tenant_has_no_more_running_than_its_quota_allows(store, tenants):
    tenants.add("acme", running=2)
    first, second, third, _fourth = tenants.queue("acme", 4)
    assert tenants.claim(limit=9) == ["acme", "acme"]
    assert tenants.claim() == []
    assert claim(store) is None

    end_execution(store, first, None)

    assert tenants.claim(limit=9, after="acme") == ["acme"]
    assert get(store, third.id).claimed_by == "worker"
    assert get(store, second.id).ended_at is None


def test_a_quota_of_none_running_has_all_wait(tenants):
    tenants.add("acme", running=0)
    tenants.queue("acme", 2)

    assert tenants.claim(limit=2) == []


def test_a_tenant_at_its_bound_keeps_no_other_from_being_served(tenants):
    tenants.add("acme", "beta", running=1)
    tenants.add("gamma")
    for name in ("acme", "beta", "gamma"):
        tenants.queue(name, 3)

    assert tenants.claim(limit=9) == ["acme", "beta", "gamma", "gamma", "gamma"]


def test_a_delegated_execution_runs_and_a_spooled_one_does_not(store, tenants):
    tenants.add("acme", running=1)
    tenants.queue("acme", 3)
    first = claim(store)
    assert delegate(store, first)
    assert claim(store) is None

    assert await_storage(store, first)

    second = claim(store)
    assert second is not None
    assert claim(store) is None
    assert defer(store, second)
    assert claim(store) is not None


def test_an_execution_that_is_claimed_by_its_id_is_held_to_the_bound_too(store, tenants):
    tenants.add("acme", running=1)
    first, second = tenants.queue("acme", 2)

    def claim_only(execution):
        return store.run(lambda transaction: transaction.executions.claim(execution.id, "worker", 30))

    assert claim_only(first) is not None
    assert claim_only(second) is None
    end_execution(store, first, None)
    assert claim_only(second) is not None


def test_a_suspended_tenants_executions_wait_until_it_is_resumed(store, tenants):
    tenants.add("acme", "beta")
    (execution,) = tenants.queue("acme")
    tenants.queue("beta")
    tenants.change("acme", lambda tenant: tenant.apply(TenantTrigger.SUSPEND))

    assert tenants.claim(limit=2, after="acme") == ["beta"]
    assert tenants.claim(after="acme") == []
    assert store.run(lambda t: t.executions.claim(execution.id, "worker", 30)) is None

    tenants.change("acme", lambda tenant: tenant.apply(TenantTrigger.RESUME))
    assert tenants.claim(after="beta") == ["acme"]


def test_many_suspended_tenants_hide_none_behind_them(tenants):
    names = [f"tenant-{number:02}" for number in range(20)]
    tenants.add(*names)
    for name in names:
        tenants.queue(name)
    for name in names[:-1]:
        tenants.change(name, lambda tenant: replace(tenant, status=TenantStatus.SUSPENDED))

    assert tenants.claim(limit=3) == names[-1:]


def test_languages_whose_engine_is_away_are_claimed_around(tenants):
    tenants.add("acme", "beta", running=2)
    tenants.queue("acme", 3, language=LANGUAGES["node"])
    tenants.queue("acme", 1, language=LANGUAGES["python"])
    tenants.queue("beta", 3, language=LANGUAGES["java"])

    assert tenants.claim(limit=9, queues=["python", "java"]) == ["acme", "beta", "beta"]
    assert tenants.claim(limit=9, queues=["python", "java"], after="acme") == []
    assert tenants.claim(limit=9, after="beta") == ["acme"]


def test_many_workers_at_once_keep_every_bound_and_find_all_there_is(store, tenants):
    bounds = {"acme": 3, "beta": 1, "gamma": 2}
    for name, running in bounds.items():
        tenants.add(name, running=running)
        tenants.queue(name, 8)
    tenants.add("delta")
    tenants.queue("delta", 8)
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        return [
            execution.id
            for _ in range(4)
            for execution in units_of_work[number % 2].run(
                lambda t: t.executions.claim_next(f"worker {number}", 30, limit=1 + number % 3)
            )
        ]

    with ThreadPoolExecutor(8) as pool:
        claimed = [execution_id for ids in pool.map(work, range(8)) for execution_id in ids]

    assert len(set(claimed)) == len(claimed)
    assert Counter(tenants.owner(execution_id) for execution_id in claimed) == {**bounds, "delta": 8}


def test_a_worker_that_waits_for_a_tenants_lock_still_finds_its_execution(store, tenants):
    tenants.add("acme", running=9)
    tenants.queue("acme", 6)
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(6)

    def work(number):
        barrier.wait()
        return units_of_work[number % 2].run(lambda t: t.executions.claim_next("worker", 30))

    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(work, range(6)))

    assert [len(one) for one in claimed] == [1] * 6


def test_executions_that_their_tenant_holds_back_are_not_among_the_waiting(store, tenants):
    tenants.add("acme", "beta", running=1)
    tenants.add("gamma")
    _running, held_back = tenants.queue("acme", 2)
    (open_to_claims,) = tenants.queue("beta")
    (suspended,) = tenants.queue("gamma")
    tenants.change("gamma", lambda tenant: tenant.apply(TenantTrigger.SUSPEND))
    (own,) = tenants.queue("default")
    first = claim(store)

    assert set(waiting(store)) == {open_to_claims.id, own.id}

    end_execution(store, first, None)
    tenants.change("gamma", lambda tenant: tenant.apply(TenantTrigger.RESUME))
    assert set(waiting(store)) == {held_back.id, open_to_claims.id, suspended.id, own.id}


def test_the_running_executions_of_a_tenant_are_counted(store, tenants):
    def count(name):
        return store.run(lambda transaction: transaction.executions.count_running(TenantName(name)))

    tenants.add("acme", "beta")
    tenants.queue("acme", 3)
    assert count("acme") == 0
    first, second = claim(store), claim(store)
    assert delegate(store, first)
    assert (count("acme"), count("beta")) == (2, 0)

    assert await_storage(store, second)

    assert count("acme") == 1


@pytest.mark.parametrize("store", ["mariadb", "mysql"], indirect=True)
def test_while_a_tenant_is_locked_others_are_served_and_at_last_it_is_waited_for(store, tenants):
    # Given a transaction that holds a tenant
    tenants.add("acme", "beta", running=9)
    tenants.queue("acme", 2)
    tenants.queue("beta", 2)
    is_locked, may_end = threading.Event(), threading.Event()

    def hold(transaction):
        transaction.tenants.lock(TenantName("acme"))
        is_locked.set()
        assert may_end.wait(90)

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(store.another().run, hold)
        assert is_locked.wait(90)
        # When others claim, then they do not wait for it as long as there is other work
        assert tenants.claim() == ["beta"]
        assert tenants.claim() == ["beta"]
        # And then they do
        claimed = pool.submit(tenants.claim)
        with pytest.raises(TimeoutError):
            claimed.result(0.2)
        may_end.set()
        assert claimed.result(20) == ["acme"]
        holder.result(20)


@pytest.mark.parametrize("store", ["sqlite", "mariadb", "mysql"], indirect=True)
def test_a_row_of_the_version_without_tenants_is_the_default_tenants(store):
    _job, execution = a_running_job(store)
    with store.engine.begin() as connection:
        columns = [column for column in executions.c if column.name not in {"tenant", "language"}]
        names = [column.name for column in columns]
        row = connection.execute(sa.select(*columns)).one()
        connection.execute(sa.delete(executions))
        connection.execute(sa.insert(executions), dict(zip(names, row, strict=True)))

    assert claim(store, queues=["python"]).id == execution.id
