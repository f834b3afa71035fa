"""Ids of jobs by their beginnings."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.system.id_generator import Uuid7Generator
from entrypoints.cli.errors import Failure
from entrypoints.cli.job_ids import job_id_of

MADE = datetime(2025, 1, 31, 12, tzinfo=UTC)


class Jobs:
    """A service that has jobs."""

    def __init__(self, *job_ids: str) -> None:
        self._job_ids = job_ids
        self.requests = 0

    def listed(self, path: str, limit: int, **query: str) -> list[dict[str, str]]:
        assert path == "/api/jobs"
        self.requests += 1
        found = [job_id for job_id in self._job_ids if job_id.startswith(query["id"].lower())]
        return [{"job_id": job_id} for job_id in found[:limit]]


def id_of(time: datetime) -> str:
    return str(Uuid7Generator(lambda: int(time.timestamp() * 1_000) * 1_000_000).new())


@pytest.mark.parametrize("length", [8, 9, 13, 20, 35])
def test_a_beginning_is_that_of_the_job(length):
    job_id, other = id_of(MADE), id_of(MADE + timedelta(minutes=5))
    assert job_id_of(Jobs(other, job_id), job_id[:length]) == job_id
    assert job_id_of(Jobs(other, job_id), job_id[:length].upper()) == job_id


def test_a_beginning_of_several_ids_is_refused_with_them():
    first, second = id_of(MADE), id_of(MADE + timedelta(milliseconds=1))
    with pytest.raises(Failure) as refused:
        job_id_of(Jobs(first, second), first[:8])
    assert first in str(refused.value)
    assert second in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "abc",
        "0194bc0",
        "0194bc00x",
        "../../etc/passwd",
        "0194bc001",
        "0194bc00-1-",
        pytest.param(id_of(MADE), id="a whole id"),
    ],
)
def test_another_text_is_left_to_the_service_without_a_search(given):
    jobs = Jobs(id_of(MADE))
    assert job_id_of(jobs, given) == given
    assert jobs.requests == 0


@pytest.mark.parametrize("given", ["00000000", "ffffffff-ffff", "0194bc00"])
def test_a_beginning_of_no_id_is_left_to_the_service(given):
    assert job_id_of(Jobs(), given) == given
