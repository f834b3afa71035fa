"""The dashboard's queries: summaries, outcomes, timelines, and running a job again."""

from datetime import timedelta

import pytest

from application.errors import Conflict, NotFound
from application.lists import Count, ProjectFilter
from application.output_cache import OutputCache
from application.ports.dashboard_queries import COUNTED_UP_TO
from application.ports.output_feed import Stream
from application.ports.tracing import NO_TRACING
from application.queries.cluster_reader import MAX_JOBS
from application.queries.project_reader import RECENT_HOURS
from application.queries.timeline import Awaited, Step, entries_of
from application.use_cases.read_output import ReadOutput
from application.use_cases.run_again import RunAgain
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus, State
from domain.values import JobId
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import LEASE_S, InMemoryService
from tests.support.scripted_engine import cancelled_report


@pytest.fixture
def run_again(service: InMemoryService) -> RunAgain:
    return RunAgain(service.job_reader, service.upload_code, NO_TRACING)


def test_projects_are_summarized_by_their_last_activity(service: InMemoryService):
    for name in ("first", "second", "third"):
        service.upload(project=name)
        service.clock.advance(60)
    job = service.upload(project="first")
    service.clock.advance(60)

    page = service.project_reader.summaries(ANONYMOUS, ProjectFilter(limit=1))
    after = service.project_reader.summaries(ANONYMOUS, ProjectFilter(limit=2, cursor=page.next))

    (summary,) = page.summaries
    assert page.total == Count(3)
    assert summary.project.name.value == "first"
    assert summary.activity.counts[State.PENDING] == 2
    assert list(summary.activity.recent) == [0] * (RECENT_HOURS - 1) + [2]
    assert [one.project.name.value for one in after.summaries] == ["third", "second"]
    assert after.next is None
    service.upload(project="third")
    service.clock.advance(60)
    service.execute_job(ANONYMOUS, job.job_id)
    service.clock.advance(59)
    service.upload(project="first")
    found = service.project_reader.page(ANONYMOUS, ProjectFilter(limit=3)).projects
    assert [project.name.value for project in found] == ["first", "third", "second"]
    # Less than a minute later, nothing was stored.
    assert service.clock.now() - found[0].active_at == timedelta(seconds=59)


def test_jobs_that_waited_long_are_measured_when_they_end(service: InMemoryService):
    job = service.upload()
    service.clock.advance(3_600)
    service.execute_job(ANONYMOUS, job.job_id, None)
    service.run_execution()

    assert service.cluster_reader.outcomes(1)[-1].jobs == 1


def test_many_jobs_of_late_leave_room_for_those_before(service: InMemoryService):
    for number in (1, MAX_JOBS + 1):
        for _ in range(number):
            service.start()
            service.run_execution()
        service.clock.advance(60)

    slices = service.cluster_reader.outcomes(20)

    assert [part.jobs for part in slices][-3:] == [1, MAX_JOBS, 0]


def test_percentiles_are_the_nearest_rank(service: InMemoryService):
    for milliseconds in range(1, 21):
        service.start()
        service.clock.advance(milliseconds / 1_000)
        service.run_execution()

    last = service.cluster_reader.outcomes(1)[-1]

    assert (last.median_ms, last.p95_ms) == (10.0, 19.0)


def test_outcomes_are_measured_slice_by_slice(service: InMemoryService):
    service.start()
    service.run_execution()
    service.cancel_job(ANONYMOUS, service.start().job_id)

    slices = service.cluster_reader.outcomes(20)

    assert len(slices) == 20
    assert [part.jobs for part in slices][-1] == 2
    assert slices[-1].success_rate == 1.0
    assert slices[-1].median_ms is not None
    assert slices[0].success_rate is None
    assert slices[1].begin - slices[0].begin == timedelta(minutes=1)


@pytest.mark.parametrize("minutes", [0, 31 * 24 * 60 + 1])
def test_outcomes_are_of_the_last_month_at_most(service: InMemoryService, minutes: int):
    with pytest.raises(InvalidValue):
        service.cluster_reader.outcomes(minutes)


def test_a_lost_attempt_is_in_the_timeline_and_so_is_the_next(service: InMemoryService):
    job = service.start()
    service.claim()
    service.pass_time(LEASE_S + 1)

    timeline = service.job_reader.timeline(ANONYMOUS, job.job_id)

    assert [(entry.step, entry.attempt) for entry in timeline.entries] == [
        (Step.SUBMITTED, 0),
        (Step.QUEUED, 1),
        (Step.CLAIMED, 1),
        (Step.LOST, 1),
        (Step.QUEUED, 2),
    ]
    assert [entry.position for entry in timeline.entries] == sorted(e.position for e in timeline.entries)
    assert timeline.waiting is not None
    assert (timeline.waiting.awaited, timeline.waiting.place) == (Awaited.WORKER, 1)


def test_the_steps_of_a_requeued_attempt_follow_those_of_the_first(service: InMemoryService):
    def program(_request, observer):
        observer.started()
        service.drain_executions()
        return cancelled_report()

    service.engine.program = program
    job = service.start()
    service.run_execution()
    service.claim()

    entries = service.job_reader.timeline(ANONYMOUS, job.job_id).entries

    assert [(entry.step, entry.attempt, entry.by) for entry in entries] == [
        (Step.SUBMITTED, 0, "caller"),
        (Step.QUEUED, 1, "caller"),
        (Step.CLAIMED, 1, "worker worker-1"),
        (Step.STARTED, 1, "worker worker-1"),
        (Step.LOST, 1, "service"),
        (Step.QUEUED, 1, "service"),
        (Step.CLAIMED, 1, "worker worker-1"),
    ]
    positions = [entry.position for entry in entries]
    assert positions == sorted(set(positions))


def test_a_place_that_is_too_far_back_to_count_is_not_told_as_one(service: InMemoryService):
    for _ in range(COUNTED_UP_TO):
        service.start()
    last_counted, next_one = service.start(), service.start()

    told = [service.job_reader.timeline(ANONYMOUS, job.job_id).waiting for job in (last_counted, next_one)]

    assert [(waiting.place, waiting.behind_more_than) for waiting in told if waiting] == [
        (COUNTED_UP_TO + 1, None),
        (None, COUNTED_UP_TO),
    ]


def test_a_claimed_job_waits_for_the_engine(service: InMemoryService):
    job = service.start()
    service.claim()

    waiting = service.job_reader.timeline(ANONYMOUS, job.job_id).waiting

    assert waiting is not None
    assert waiting.awaited is Awaited.ENGINE


def test_steps_only_ever_follow_those_that_were_told(service: InMemoryService):
    job = service.start()
    before = entries_of(service.job_reader.get(ANONYMOUS, job.job_id))
    service.run_execution()

    assert entries_of(service.job_reader.get(ANONYMOUS, job.job_id))[: len(before)] == before


def test_a_job_is_run_again_with_all_that_it_was_given(service: InMemoryService, run_again: RunAgain):
    first = service.start(
        stdin="in", args=("a",), env={"B": "c"}, tags={"team": "blue"}, limits={"memory_mb": 64}
    )

    again = run_again(ANONYMOUS, first.job_id)

    before, after = (service.job_reader.get(ANONYMOUS, job.job_id).job.spec for job in (first, again))
    assert again.job_id != first.job_id
    assert again.status is JobStatus.RUNNING
    assert (after.stdin, after.args, after.env, after.tags, after.limits) == (
        before.stdin,
        before.args,
        before.env,
        before.tags,
        before.limits,
    )


def test_a_job_is_run_again_with_the_input_of_its_execution(service: InMemoryService, run_again: RunAgain):
    job = service.upload(stdin="its own")
    service.execute_job(ANONYMOUS, job.job_id, "given")

    assert (
        service.job_reader.get(ANONYMOUS, run_again(ANONYMOUS, job.job_id).job_id).job.spec.stdin == "given"
    )


def test_a_job_whose_code_is_gone_cannot_be_run_again(service: InMemoryService, run_again: RunAgain):
    job = service.upload()
    service.code_store.delete(service.job_reader.get(ANONYMOUS, job.job_id).job.spec.code_key)

    with pytest.raises(NotFound, match="code"):
        run_again(ANONYMOUS, job.job_id)


def _reader(service: InMemoryService) -> ReadOutput:
    return ReadOutput(service.queries, service.log_store, 10_000, OutputCache(service.clock, 0))


def test_output_is_read_once_the_job_has_ended(service: InMemoryService):
    read = _reader(service)
    job = service.start(stdin="written")
    with pytest.raises(Conflict):
        read(ANONYMOUS, job.job_id, Stream.STDOUT)
    service.run_execution()

    assert read(ANONYMOUS, job.job_id, Stream.STDOUT).content.read(0, 9) == b"written"
    assert read(ANONYMOUS, job.job_id, Stream.STDERR).content.read(0, 9) == b""


def test_an_unknown_job_has_neither_output_nor_timeline(service: InMemoryService):
    unknown = JobId(service.ids.new())
    with pytest.raises(NotFound):
        _reader(service)(ANONYMOUS, unknown, Stream.STDOUT)
    with pytest.raises(NotFound):
        service.job_reader.timeline(ANONYMOUS, unknown)


def test_a_project_is_found_by_its_name_and_by_its_id(service: InMemoryService):
    get_project = service.project_reader.get
    made = service.create_project(ANONYMOUS, "demo", None)

    assert get_project(ANONYMOUS, "demo") == get_project(ANONYMOUS, str(made.id)) == made
    with pytest.raises(NotFound):
        get_project(ANONYMOUS, "999")
