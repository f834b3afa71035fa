from dataclasses import replace
from uuid import UUID

from domain.audit import Act, AuditEntry, AuditEntryId, Usage
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.support.samples import NOW


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

    try:
        store.run(work)
    except Refused:
        assert waiting(store) == []
