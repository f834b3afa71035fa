from dataclasses import replace

import pytest

from application.lists import Cursor, FoundJobs, JobFilter
from application.queries import job_reader
from application.queries.job_reader import JobReader
from domain.errors import InvalidValue
from tests.support.callers import ANONYMOUS


def test_pages_follow_each_other_without_gap_or_repetition(service):
    uploaded = [service.upload().job_id for _ in range(7)]

    seen, cursor = [], None
    for size in (3, 3, 1):
        page = service.job_reader.page(ANONYMOUS, JobFilter(limit=3, cursor=cursor))
        assert len(page.jobs) == size
        seen += [job.job_id for job in page.jobs]
        cursor = page.next

    assert cursor is None
    assert seen == uploaded[::-1]


def test_a_page_that_is_just_full_and_the_last_has_no_next(service):
    service.upload()

    assert service.job_reader.page(ANONYMOUS, JobFilter(limit=1)).next is None


@pytest.mark.parametrize(("most_bytes", "sizes"), [(1 << 20, [5, 2]), (1, [2, 2, 2, 1]), (10, [4, 3])])
def test_a_page_ends_where_its_jobs_show_much(service, monkeypatch, most_bytes, sizes):
    # Given programs that wrote four bytes each, and a store that is read two by two
    monkeypatch.setattr(job_reader, "_READ_AT_ONCE", 2)
    monkeypatch.setattr(job_reader, "MAX_PAGE_BYTES", most_bytes)
    uploaded = [service.start(stdin="four").job_id for _ in range(7)]
    while service.run_execution():
        pass

    pages, cursor = [], None
    while not pages or cursor:
        page = service.job_reader.page(ANONYMOUS, JobFilter(limit=5, cursor=cursor))
        pages.append([job.job_id for job in page.jobs])
        cursor = page.next

    assert [len(page) for page in pages] == sizes
    assert [job_id for page in pages for job_id in page] == uploaded[::-1]


class EndsEarly:
    """Finds one job at a time, with a cursor to the next."""

    def __init__(self, queries):
        self._queries = queries

    def page(self, caller, wanted):
        found = self._queries.page(caller, replace(wanted, limit=1))
        last = found.jobs[-1] if found.jobs else None
        return FoundJobs(found.jobs, last and Cursor(last.created_at, last.job_id))


def test_a_page_ends_where_the_search_for_its_jobs_does(service):
    uploaded = [service.upload().job_id for _ in range(3)]
    reader = JobReader(
        EndsEarly(service.queries),
        service.dashboard_queries,
        service.unit_of_work,
        service.engine,
        service.clock,
        service.wait_causes,
    )

    pages, cursor = [], None
    while not pages or cursor:
        page = reader.page(ANONYMOUS, JobFilter(limit=2, cursor=cursor))
        pages.append([job.job_id for job in page.jobs])
        cursor = page.next

    assert pages == [*([job_id] for job_id in uploaded[::-1]), []]


@pytest.mark.parametrize("limit", [-1, 1_001])
def test_a_limit_out_of_range_is_refused(service, limit):
    with pytest.raises(InvalidValue):
        service.job_reader.page(ANONYMOUS, JobFilter(limit=limit))
