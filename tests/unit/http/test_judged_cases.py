"""Results of cases are read for all streams of a job together, and not at each event."""

import asyncio
from functools import wraps
from types import SimpleNamespace
from uuid import uuid4

import pytest

from application.errors import DependencyUnavailable
from domain.cases import CaseResult, Verdict
from domain.job_lifecycle import JobStatus
from entrypoints.http.streaming import judged_cases
from entrypoints.http.streaming.judged_cases import JudgedCases
from tests.support.callers import ANONYMOUS

TOTAL = 500


def run(test):
    """Run a test on a loop of its own."""

    @wraps(test)
    def on_a_loop(**fixtures):
        asyncio.run(test(**fixtures))

    return on_a_loop


class Reader:
    """A reader of a job of which one more case is judged each time that it is read."""

    def __init__(self):
        self.reads = 0
        self.done = 0

    def with_cases(self, _caller, _job_id):
        self.reads += 1
        self.done += 1
        return details(self.done)


def details(done=0, status=JobStatus.RUNNING):
    cases = [CaseResult(index=n, name=str(n), verdict=Verdict.ACCEPTED) for n in range(done)]
    job = SimpleNamespace(id=_JOB_ID, status=status, spec=SimpleNamespace(cases=SimpleNamespace(total=TOTAL)))
    return SimpleNamespace(job=job, cases=cases)


_JOB_ID = uuid4()


@run
async def test_many_streams_and_events_take_few_reads(monkeypatch):
    monkeypatch.setattr(judged_cases, "_EVERY_S", 3_600.0)
    reader = Reader()
    judged = JudgedCases(reader)
    streams = [judged.of(ANONYMOUS, _JOB_ID) for _ in range(50)]

    first = await asyncio.gather(*(stream.take(details()) for stream in streams))
    assert all(b'"done":1' in sent for sent in first)
    for _ in range(20):
        assert set(await asyncio.gather(*(stream.take(details()) for stream in streams))) == {b""}
    assert reader.reads == 1
    assert all(3_500 < stream.due_in_s <= 3_600 for stream in streams)

    last = await asyncio.gather(*(stream.take(details(status=JobStatus.SUCCESS)) for stream in streams))
    assert reader.reads == 2
    assert all(b'"done":2' in sent and b'"name":"0"' not in sent for sent in last)
    assert all(stream.due_in_s is None for stream in streams)


@run
async def test_what_came_meanwhile_is_read_when_its_time_has_come(monkeypatch):
    monkeypatch.setattr(judged_cases, "_EVERY_S", 0.01)
    reader = Reader()
    stream = JudgedCases(reader).of(ANONYMOUS, _JOB_ID)

    seen = [await stream.take(details())]
    while reader.reads < 3:
        assert stream.due_in_s is None or stream.due_in_s > 0
        await asyncio.sleep(stream.due_in_s or 0)
        seen.append(await stream.take(details()))

    assert len([sent for sent in seen if sent]) == 3


@run
async def test_a_job_that_is_not_followed_any_more_is_forgotten():
    judged = JudgedCases(Reader())
    stream = judged.of(ANONYMOUS, _JOB_ID)
    await stream.take(details())
    other = judged.of(ANONYMOUS, _JOB_ID)
    assert b'"done":1' in await other.take(details())
    del stream, other

    assert b'"done":2' in await judged.of(ANONYMOUS, _JOB_ID).take(details())


@run
async def test_results_that_cannot_be_read_are_missed_only_after_the_end():
    class Unavailable(Reader):
        def with_cases(self, _caller, _job_id):
            raise DependencyUnavailable("database", "it is away")

    stream = JudgedCases(Unavailable()).of(ANONYMOUS, _JOB_ID)

    assert await stream.take(details()) == b""
    with pytest.raises(DependencyUnavailable):
        await stream.take(details(status=JobStatus.SUCCESS))
