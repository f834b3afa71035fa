import pytest

from application.commands import ListJobsQuery
from domain.errors import InvalidValue


def test_pages_follow_each_other_without_gap_or_repetition(world):
    uploaded = [world.upload().job_id for _ in range(7)]

    seen, cursor = [], None
    for size in (3, 3, 1):
        page = world.list_jobs(ListJobsQuery(limit=3, cursor=cursor))
        assert len(page.jobs) == size
        seen += [job.job_id for job in page.jobs]
        cursor = page.next

    assert cursor is None
    assert seen == uploaded[::-1]


def test_a_page_that_is_just_full_and_the_last_has_no_next(world):
    world.upload()

    assert world.list_jobs(ListJobsQuery(limit=1)).next is None


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_out_of_range_is_refused(world, limit):
    with pytest.raises(InvalidValue):
        world.list_jobs(ListJobsQuery(limit=limit))
