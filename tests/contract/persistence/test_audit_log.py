from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from application.lists import AuditCursor, AuditFilter, UsageFilter
from application.views import DayUsage
from domain.audit import CHAIN_START, Act, Usage
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.support.samples import NOW, a_project, an_audit_entry

TODAY = NOW.date()


def add(store, *entries):
    def work(transaction):
        for one in entries:
            transaction.audit.add(one)

    store.run(work)


def waiting(store, limit=100):
    return store.unit_of_work.read(lambda transaction: transaction.audit.waiting(limit))


def test_an_entry_is_read_as_it_was_added(store):
    full = an_audit_entry(
        1,
        address="2001:db8::1",
        outcome="not_found",
        request_id="r-1",
        project=ProjectId(7),
        usage=Usage(uploads=1, executions=2, cpu_ms=3, stored_bytes=-(2**40)),
        left_out=5,
    )
    add(store, full, an_audit_entry(2, tenant=None))

    assert waiting(store) == [full, an_audit_entry(2, tenant=None)]


def test_entries_are_in_the_order_of_their_ids(store):
    add(store, an_audit_entry(3), an_audit_entry(1), an_audit_entry(2))

    assert [one.id.int for one in waiting(store, limit=2)] == [1, 2]


def test_an_entry_of_a_transaction_that_is_rolled_back_is_not_there(store):
    class Refused(Exception):
        pass

    def work(transaction):
        transaction.audit.add(an_audit_entry(1))
        raise Refused

    with pytest.raises(Refused):
        store.run(work)

    assert waiting(store) == []


def post(store, limit=100):
    return store.run(lambda transaction: transaction.audit.post(limit))


def usage(store, tenant="acme", day=TODAY):
    return store.unit_of_work.read(lambda transaction: transaction.audit.usage(TenantName(tenant), day))


def test_posting_moves_entries_in_the_order_of_their_ids_and_no_more_than_asked_for(store):
    add(store, an_audit_entry(3), an_audit_entry(1), an_audit_entry(2))

    assert post(store, limit=2) == 2
    assert [one.id.int for one in waiting(store)] == [3]
    assert [post(store), post(store)] == [1, 0]


def test_usage_counts_entries_once_whether_they_are_posted_or_not(store):
    yesterday = NOW - timedelta(days=1)
    add(
        store,
        an_audit_entry(1, project=ProjectId(1), usage=Usage(uploads=1, stored_bytes=10)),
        an_audit_entry(2, project=ProjectId(2), usage=Usage(executions=1, cpu_ms=2**40, stored_bytes=5)),
        an_audit_entry(3, project=ProjectId(1), usage=Usage(uploads=1, stored_bytes=100), at=yesterday),
        an_audit_entry(4, project=ProjectId(3), usage=Usage(uploads=1), tenant=TenantName("other")),
        an_audit_entry(5, project=ProjectId(1), usage=Usage(stored_bytes=-7)),
    )
    today = Usage(uploads=1, executions=1, cpu_ms=2**40, stored_bytes=108)

    for _ in range(6):
        assert usage(store) == today
        assert usage(store, day=yesterday.date()) == Usage(uploads=1, stored_bytes=108)
        assert usage(store, "other") == Usage(uploads=1)
        post(store, limit=1)
    assert usage(store, "nobody") == Usage()


def test_usage_without_a_project_counts_for_its_tenant_before_and_after_it_is_posted(store):
    add(
        store,
        an_audit_entry(1, project=a_project(store).id, usage=Usage(uploads=1, stored_bytes=10)),
        an_audit_entry(2, act=Act.FILES_REMOVE, usage=Usage(stored_bytes=-7)),
    )

    for _ in range(3):
        assert usage(store) == Usage(uploads=1, stored_bytes=3)
        post(store, limit=1)
    wanted = UsageFilter(limit=10, tenant=TenantName("acme"), since=TODAY, until=TODAY)
    (of_project,) = store.unit_of_work.read(lambda transaction: transaction.audit.usage_by_day(wanted))
    assert of_project.usage == Usage(uploads=1, stored_bytes=10)


def test_several_may_post_at_once_and_each_entry_is_posted_once(store):
    numbers = range(1, 101)
    add(store, *(an_audit_entry(n, project=ProjectId(1), usage=Usage(uploads=1)) for n in numbers))
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
    add(store, an_audit_entry(1, project=ProjectId(1), usage=Usage(uploads=1)))

    def killed(transaction):
        transaction.audit.post(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.run(killed)

    assert waiting(store) == [an_audit_entry(1, project=ProjectId(1), usage=Usage(uploads=1))]
    assert usage(store).uploads == 1


def page(store, **wanted):
    return store.unit_of_work.read(lambda transaction: transaction.audit.page(AuditFilter(**wanted)))


def numbers(found):
    return [UUID(linked.row.entry_id).int for linked in found.entries]


@pytest.fixture
def ledger(store):
    """Ten entries, of which every second is a minute older than the one before."""
    add(
        store,
        *(
            an_audit_entry(
                number,
                at=NOW - timedelta(minutes=number % 2),
                tenant=(TenantName("acme"), TenantName("other"), None)[number % 3],
                principal=f"key:{number % 4}",
                act=(Act.JOB_UPLOAD, Act.JOB_CANCEL)[number // 5 % 2],
                project=ProjectId(number % 2),
            )
            for number in range(10)
        ),
    )
    post(store)
    return store


def test_the_ledger_is_chained_in_the_order_of_posting(ledger):
    linked = ledger.unit_of_work.read(lambda transaction: transaction.audit.linked(0, 100))

    assert [one.link.sequence for one in linked] == list(range(1, 11))
    assert [UUID(one.row.entry_id).int for one in linked] == list(range(10))
    link = CHAIN_START
    for one in linked:
        link = link.next(one.row)
        assert one.link == link
    assert ledger.unit_of_work.read(lambda transaction: transaction.audit.head()) == link


def test_the_ledger_is_read_from_a_number_on_and_of_a_tenant(ledger):
    def read(*wanted):
        linked = ledger.unit_of_work.read(lambda transaction: transaction.audit.linked(*wanted))
        return [one.link.sequence for one in linked]

    assert read(3, 2) == [4, 5]
    assert read(1, 100, TenantName("acme")) == [4, 7, 10]


def test_a_page_is_newest_first(ledger):
    assert numbers(page(ledger, limit=100)) == [8, 6, 4, 2, 0, 9, 7, 5, 3, 1]
    assert numbers(page(ledger, limit=100, tenant=TenantName("acme"))) == [6, 0, 9, 3]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"act": Act.JOB_CANCEL}, [8, 6, 9, 7, 5]),
        ({"act": "작업"}, []),
        ({"act": "작업", "tenant": TenantName("acme")}, []),
        ({"principal": "key:2"}, [6, 2]),
        ({"project_id": ProjectId(1)}, [9, 7, 5, 3, 1]),
        ({"tenant": TenantName("acme"), "act": Act.JOB_CANCEL}, [6, 9]),
        ({"tenant": TenantName("acme"), "principal": "key:2"}, [6]),
        ({"tenant": TenantName("acme"), "principal": "key:1", "act": Act.JOB_CANCEL}, [9]),
        ({"tenant": TenantName("acme"), "principal": "key:1", "act": Act.JOB_UPLOAD}, []),
        ({"since": NOW}, [8, 6, 4, 2, 0]),
        ({"until": NOW}, [9, 7, 5, 3, 1]),
        ({"act": Act.JOB_UPLOAD, "since": NOW - timedelta(seconds=1), "project_id": ProjectId(0)}, [4, 2, 0]),
    ],
)
def test_a_page_of_filters(ledger, wanted, found):
    assert numbers(page(ledger, limit=100, **wanted)) == found


def test_pages_follow_each_other_by_their_last_entries(ledger):
    seen, cursor = [], None
    while found := page(ledger, limit=3, cursor=cursor):
        seen += numbers(found)
        if len(found.entries) < 3:
            break
        last = found.entries[-1]
        cursor = AuditCursor(last.row.time, last.link.sequence)

    assert seen == [8, 6, 4, 2, 0, 9, 7, 5, 3, 1]


def test_usage_by_day_and_project(store):
    project = a_project(store)
    yesterday = NOW - timedelta(days=1)
    add(
        store,
        an_audit_entry(1, project=project.id, usage=Usage(uploads=1, stored_bytes=5)),
        an_audit_entry(2, project=project.id, usage=Usage(executions=1, cpu_ms=9)),
        an_audit_entry(3, project=ProjectId(999_999), usage=Usage(uploads=1)),
        an_audit_entry(4, project=project.id, at=yesterday, usage=Usage(uploads=3)),
        an_audit_entry(5, project=project.id, tenant=TenantName("other"), usage=Usage(uploads=4)),
    )
    post(store)

    def read(**changes):
        wanted = {"limit": 10, "tenant": TenantName("acme"), "since": yesterday.date(), "until": TODAY}
        return list(
            store.unit_of_work.read(
                lambda transaction: transaction.audit.usage_by_day(UsageFilter(**{**wanted, **changes}))
            )
        )

    def day_usage(day, usage, project_id=project.id, name="demo"):
        return DayUsage(day=day, project_id=project_id, project=name, usage=usage)

    gone = day_usage(TODAY, Usage(uploads=1), ProjectId(999_999), None)
    today = day_usage(TODAY, Usage(uploads=1, executions=1, cpu_ms=9, stored_bytes=5))
    before = day_usage(yesterday.date(), Usage(uploads=3))
    assert read() == [gone, today, before]
    assert read(limit=1, cursor=(TODAY, gone.project_id)) == [today]
    assert read(cursor=(TODAY, project.id)) == [before]
    assert read(project_id=project.id, since=TODAY) == [today]
    assert read(until=yesterday.date()) == [before]
