"""A filter that no index has is applied to so many entries, and the page ends there."""

import pytest

from application.lists import AuditFilter
from domain.audit import Act
from domain.values import ProjectId
from tests.support.samples import an_audit_entry


@pytest.fixture
def store(sqlite_url, open_store):
    """A ledger whose oldest entry alone is of project 7."""
    store = open_store(sqlite_url)

    def add(transaction):
        for number in range(1, 10_006):
            project = ProjectId(7 if number == 1 else 8)
            transaction.audit.add(an_audit_entry(number, act=Act.JOB_UPLOAD, project=project))
        transaction.audit.post(10_005)

    store.run(add)
    return store


def test_a_search_for_few_entries_among_many_goes_on_with_the_next_page(store):
    wanted = {"limit": 10, "project_id": ProjectId(7)}

    def find(**more):
        return store.unit_of_work.read(
            lambda transaction: transaction.audit.page(AuditFilter(**wanted, **more))
        )

    first = find()
    assert first.entries == []
    assert first.resume_after.sequence == 6
    rest = find(cursor=first.resume_after)
    assert [linked.link.sequence for linked in rest.entries] == [1]
    assert rest.resume_after is None
