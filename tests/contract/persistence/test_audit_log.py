from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.audit import Act, AuditEntry, AuditEntryId, Usage
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.support.samples import NOW

TODAY = NOW.date()


def entry(number: int, **changes) -> AuditEntry:
    return replace(
        AuditEntry(
            id=AuditEntryId(UUID(int=number)),
            at=NOW,
            tenant=TenantName("acme"),
            principal="key:1",
            act=Act.JOB_UPLOAD,
            subject="a job",
        ),
        **changes,
    )


def add(store, *entries):
    def work(transaction):
        for one in entries:
            transaction.audit.add(one)

    store.run(work)


def waiting(store, limit=100):
    return store.unit_of_work.read(lambda transaction: transaction.audit.waiting(limit))


def test_an_entry_is_read_as_it_was_added(store):
    full = entry(
        1,
        address="2001:db8::1",
        outcome="not_found",
        request_id="r-1",
        project=ProjectId(7),
        usage=Usage(uploads=1, executions=2, cpu_ms=3, stored_bytes=-(2**40)),
        left_out=5,
    )
    add(store, full, entry(2, tenant=None))

    assert waiting(store) == [full, entry(2, tenant=None)]


def test_entries_are_in_the_order_of_their_ids(store):
    add(store, entry(3), entry(1), entry(2))

    assert [one.id.int for one in waiting(store, limit=2)] == [1, 2]


def test_an_entry_of_a_transaction_that_is_rolled_back_is_not_there(store):
    class Refused(Exception):
        pass

    def work(transaction):
        transaction.audit.add(entry(1))
        raise Refused

    with pytest.raises(Refused):
        store.run(work)

    assert waiting(store) == []


def post(store, limit=100):
    return store.run(lambda transaction: transaction.audit.post(limit))


def usage(store, tenant="acme", day=TODAY):
    return store.unit_of_work.read(lambda transaction: transaction.audit.usage(TenantName(tenant), day))


def test_posting_moves_entries_in_the_order_of_their_ids_and_no_more_than_asked_for(store):
    add(store, entry(3), entry(1), entry(2))

    assert post(store, limit=2) == 2
    assert [one.id.int for one in waiting(store)] == [3]
    assert [post(store), post(store)] == [1, 0]


def test_usage_counts_entries_once_whether_they_are_posted_or_not(store):
    yesterday = NOW - timedelta(days=1)
    add(
        store,
        entry(1, project=ProjectId(1), usage=Usage(uploads=1, stored_bytes=10)),
        entry(2, project=ProjectId(2), usage=Usage(executions=1, cpu_ms=2**40, stored_bytes=5)),
        entry(3, project=ProjectId(1), usage=Usage(uploads=1, stored_bytes=100), at=yesterday),
        entry(4, project=ProjectId(3), usage=Usage(uploads=1), tenant=TenantName("other")),
        entry(5, project=ProjectId(1), usage=Usage(stored_bytes=-7)),
    )
    today = Usage(uploads=1, executions=1, cpu_ms=2**40, stored_bytes=108)

    for _ in range(6):
        assert usage(store) == today
        assert usage(store, day=yesterday.date()) == Usage(uploads=1, stored_bytes=108)
        assert usage(store, "other") == Usage(uploads=1)
        post(store, limit=1)
    assert usage(store, "nobody") == Usage()


def test_several_may_post_at_once_and_each_entry_is_posted_once(store):
    numbers = range(1, 101)
    add(store, *(entry(n, project=ProjectId(1), usage=Usage(uploads=1)) for n in numbers))
    units_of_work = [store.unit_of_work, store.another()]

    def post_all(unit_of_work):
        total = 0
        while store.unit_of_work.read(lambda transaction: transaction.audit.waiting(1)):
            total += unit_of_work.run(lambda transaction: transaction.audit.post(7))
        return total

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(post_all, units_of_work)) == 100
    assert usage(store).uploads == 100


def test_a_post_that_is_rolled_back_moves_nothing(store):
    add(store, entry(1, project=ProjectId(1), usage=Usage(uploads=1)))

    def killed(transaction):
        transaction.audit.post(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run(killed)

    assert waiting(store) == [entry(1, project=ProjectId(1), usage=Usage(uploads=1))]
    assert usage(store).uploads == 1
