import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import combinations, product
from uuid import UUID, uuid4

import pytest

from adapters.sql.job_queries import SqlJobQueries
from application.lists import Count, Cursor, JobFilter
from application.views import JobDetails, JobStatusView, JobView
from domain.artifacts import MAX_PATTERNS, PATTERN_MAX_CHARS
from domain.blob import BlobRef
from domain.execution import ExecutionResult, LimitHit, Output, ResourceUsage
from domain.files import JobFile
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, Reason
from domain.language import LANGUAGES
from domain.project import ProjectTrigger
from domain.submission import TAG_MAX_CHARS
from domain.submission_limits import SubmissionLimits
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId
from tests.support.callers import ANONYMOUS
from tests.support.repository_steps import claim, get, mark_building, mark_started
from tests.support.samples import (
    LATER,
    NOW,
    a_claimed_job,
    a_job,
    a_project,
    a_running_job,
    a_spec,
    cancel,
    new_execution_id,
)
from tests.support.stores import SqlStore

RESULT = ExecutionResult(
    status=JobStatus.FAILED,
    reason=Reason.NONZERO_EXIT,
    stdout=Output.of("日本語 \0"),
    exit_code=1,
    log_key=ObjectKey("logs/1.json"),
)


def complete(store, job, execution):
    after, _events = job.complete(execution.id, RESULT, LATER)

    def work(transaction):
        transaction.jobs.replace(job, after)
        transaction.executions.end(execution.id, RESULT, LATER)
        return after, transaction.executions.get(execution.id)

    return store.run(work)


def retry(store, job, lost):
    after, execution, _events = job.retry(lost, new_execution_id(), LATER)

    def work(transaction):
        transaction.jobs.replace(job, after)
        transaction.executions.add(after, execution)

    store.run(work)
    return after, execution


def requeue(store, before, after, stopped, execution):
    def work(transaction):
        transaction.jobs.replace(before, after)
        transaction.executions.end(stopped.id, None, stopped.requested_at)
        transaction.executions.add(after, execution)

    store.run(work)


def test_of_an_unknown_job_there_is_nothing_to_tell(store):
    assert store.queries.status(ANONYMOUS, JobId(uuid4())) is None
    assert store.queries.details(ANONYMOUS, JobId(uuid4())) is None


def test_the_status_of_a_job_that_never_ran(store):
    job = a_job(store, project="プロジェクト")

    assert store.queries.status(ANONYMOUS, job.id) == JobStatusView(
        job_id=job.id,
        project="プロジェクト",
        status=JobStatus.PENDING,
        reason=None,
        created_at=NOW,
        started_at=None,
        completed_at=None,
        timeout_ms=job.spec.limits.timeout_ms,
        log_key=None,
        phase=Phase.WAITING,
        run_started_at=None,
    )


def test_the_phase_of_a_job_follows_its_latest_execution(store):
    job, execution = a_running_job(store)
    seen = [phases(store, job)]
    claim(store)
    seen.append(phases(store, job))
    mark_building(store, execution)
    seen.append(phases(store, job))
    mark_started(store, execution)
    seen.append(phases(store, job))
    complete(store, job, execution)
    seen.append(phases(store, job))

    assert seen == [(phase, phase) for phase in ("waiting", "waiting", "building", "running", "ended")]
    started_at = get(store, execution.id).started_at
    assert started_at is not None
    assert store.queries.status(ANONYMOUS, job.id).run_started_at == started_at
    assert store.queries.page(ANONYMOUS, JobFilter(limit=1)).jobs[0].run_started_at == started_at


def phases(store, job):
    """Return the phase that a status shows, and the one that a list shows."""
    return store.queries.status(ANONYMOUS, job.id).phase, store.queries.page(
        ANONYMOUS, JobFilter(limit=1)
    ).jobs[0].phase


def test_a_build_that_begins_makes_another_version_of_the_job(store):
    job, execution = a_claimed_job(store)
    before = store.queries.versions([job.id])

    mark_building(store, execution)

    after = store.queries.versions([job.id])
    assert after != before
    assert after[job.id] == store.queries.details(ANONYMOUS, job.id).version


def test_the_status_of_a_job_that_ended(store):
    job, execution = a_claimed_job(store)
    complete(store, job, execution)

    status = store.queries.status(ANONYMOUS, job.id)

    assert (status.status, status.reason) == (JobStatus.FAILED, Reason.NONZERO_EXIT)
    assert (status.started_at, status.completed_at) == (NOW, LATER)
    assert status.log_key == RESULT.log_key


def test_details_are_the_job_and_its_executions_the_latest_last(store):
    job, first = a_claimed_job(store)
    job, second = retry(store, job, first)

    assert store.queries.details(ANONYMOUS, job.id) == JobDetails(
        job=job, project=a_project(store).name, executions=(first, second)
    )


def test_the_current_execution_is_the_last_even_if_its_id_and_its_time_are_no_later(store):
    job, first = a_claimed_job(store)
    before_first = ExecutionId(UUID(int=first.id.int - 1))
    after, second, _events = job.requeue(first, before_first, first.requested_at)
    # As versions stored it that did not set the request later than the one before it.
    second = replace(second, requested_at=first.requested_at)
    requeue(store, job, after, first, second)

    details = store.queries.details(ANONYMOUS, job.id)

    assert [execution.id for execution in details.executions] == [first.id, second.id]
    assert details.latest.ended_at is None


def test_executions_keep_their_places_when_more_follow_even_if_the_clock_stands(store):
    job, execution = a_running_job(store)
    seen = [execution.id]

    for place in range(1, 4):
        before, stopped = job, execution
        next_id = ExecutionId(UUID(int=stopped.id.int - place))
        job, execution, _events = before.requeue(stopped, next_id, NOW)
        requeue(store, before, job, stopped, execution)
        seen.append(execution.id)

        details = store.queries.details(ANONYMOUS, job.id)
        assert [each.id for each in details.executions] == seen


def test_details_tell_whether_a_job_was_run_again(store):
    first = a_job(store)
    again = a_job(store, rerun_of=first.id)

    assert store.queries.details(ANONYMOUS, first.id).has_reruns
    assert not store.queries.details(ANONYMOUS, again.id).has_reruns


def test_the_largest_specification_comes_back_as_it_was(store):
    # Given arguments, variables, paths, patterns and tags at their limits, with characters that grow in JSON
    limits = SubmissionLimits()
    size = limits.arguments_bytes // limits.arguments // 2
    paths_size = limits.files.paths_bytes // limits.files.files
    blob = BlobRef("f" * 64, limits.files.file_bytes)
    spec = {
        "args": tuple("\x01" * size for _ in range(limits.arguments // 2)),
        "env": {f"V{number:02}": "\\" * (size - 3) for number in range(limits.arguments // 2)},
        "files": tuple(
            JobFile(f"{number:04}/" + "é" * ((paths_size - 5) // 2), blob)
            for number in range(limits.files.files)
        ),
        "artifacts": tuple(f"{number:02}" + "日" * (PATTERN_MAX_CHARS - 2) for number in range(MAX_PATTERNS)),
        "tags": {f"t{number}": "日" * TAG_MAX_CHARS for number in range(limits.tags)},
        "description": "日" * limits.text_chars,
    }
    job = a_job(store, **spec)
    limits.check_spec(job.spec)

    assert store.queries.details(ANONYMOUS, job.id).job == job


def test_details_of_a_job_that_never_ran_have_no_executions(store):
    job = a_job(store)

    assert store.queries.details(ANONYMOUS, job.id).executions == ()


def test_a_list_shows_jobs_with_their_latest_executions_and_without_what_those_read(store):
    job, first = a_claimed_job(store)
    job, second = retry(store, job, first)
    ended_job, execution = a_running_job(store, stdin="long", tags={"a": "日本 "}, now=LATER)
    ended_job, ended = complete(store, ended_job, execution)
    project = a_project(store).name

    assert store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs == [
        JobView.of(ended_job, project, replace(ended, stdin=None)),
        JobView.of(job, project, second),
    ]


def test_a_list_shows_texts_and_figures_exactly(store):
    job, execution = a_running_job(store, tags={"a": "\"\\' %s"})
    every_character = "".join(map(chr, (*range(0x180), 0x2028, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF)))
    usage = ResourceUsage(execution_time_ms=1 << 52, cpu_percent=0.1 + 0.2, memory_mb=10.0)
    limit = LimitHit("memory_mb", 300, 256)
    result = replace(
        RESULT, stdout=Output.of(every_character), stderr=Output("", 0), resource=usage, limit=limit
    )
    store.run(lambda transaction: transaction.executions.end(execution.id, result, LATER))

    (view,) = store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs

    assert view.execution.result == result
    assert view.tags == job.spec.tags


def test_a_job_of_a_deleted_project_can_still_be_read(store):
    job = a_job(store)
    project = a_project(store)
    deleted = project.apply(ProjectTrigger.DELETE)
    store.run(lambda transaction: transaction.projects.replace(project, deleted))

    assert store.queries.status(ANONYMOUS, job.id).project == "demo"
    assert store.queries.details(ANONYMOUS, job.id).project == project.name


def populate(store):
    """Store jobs of every status, language and set of tags, several of them at each time."""
    projects = [a_project(store, name) for name in ("one", "two")]
    jobs = []
    kinds = product(
        projects, JobStatus, ("python", "rust"), ({}, {"env": "prod"}, {"env": "prod ", "Team": "x"})
    )
    for number, (project, status, language, tags) in enumerate(kinds):
        spec = a_spec(language=LANGUAGES[language], tags=tags)
        now = NOW + timedelta(microseconds=number * 7 % 5)
        job, _events = Job.submit(JobId(uuid4()), project, spec, now)
        reason = Reason.INTERNAL if status in {JobStatus.FAILED, JobStatus.TIMEOUT} else None
        jobs.append(replace(job, status=status, reason=reason))
    store.run(lambda transaction: [transaction.jobs.add(job) for job in jobs])
    return sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)


def matches(job, wanted):
    return (
        wanted.project_id in {None, job.project_id}
        and (not wanted.statuses or job.status in wanted.statuses)
        and wanted.language in {None, job.spec.language.name}
        and all(job.spec.tags.get(name) == value for name, value in wanted.tags.items())
        and (wanted.created_after is None or job.created_at > wanted.created_after)
        and (wanted.created_before is None or job.created_at < wanted.created_before)
    )


def filters(jobs):
    dimensions = {
        "project_id": (None, jobs[0].project_id, 10**20 - 1),
        "statuses": (
            frozenset(),
            frozenset({JobStatus.RUNNING}),
            frozenset({JobStatus.PENDING, JobStatus.FAILED, JobStatus.TIMEOUT}),
            frozenset(JobStatus),
        ),
        "language": (None, "rust", "Rust"),
        "tags": (
            {},
            {"env": "prod"},
            {"env": "prod ", "Team": "x"},
            {"env": "PROD"},
            {"env": "prod", "x": "y"},
        ),
        "created_after": (None, NOW + timedelta(microseconds=1)),
        "created_before": (None, NOW + timedelta(microseconds=3)),
    }
    for values in product(*dimensions.values()):
        yield JobFilter(limit=1_000, **dict(zip(dimensions, values, strict=True)))


def test_every_combination_of_filters_finds_what_a_plain_search_finds(store):
    jobs = populate(store)

    for wanted in filters(jobs):
        found = [view.job_id for view in store.queries.page(ANONYMOUS, wanted).jobs]

        assert found == [job.id for job in jobs if matches(job, wanted)], wanted


def test_combinations_of_filters_are_counted_and_found_the_other_way_round(store):
    jobs = populate(store)

    for wanted in list(filters(jobs))[::11]:
        matching = [job.id for job in jobs if matches(job, wanted)]
        oldest = store.queries.page(ANONYMOUS, replace(wanted, oldest_first=True)).jobs

        assert store.queries.count(ANONYMOUS, wanted, 100) == Count(len(matching)), wanted
        assert [view.job_id for view in oldest] == matching[::-1], wanted


def test_a_count_ends_at_its_bound(store):
    jobs = populate(store)
    everything = JobFilter(limit=1, cursor=Cursor(jobs[5].created_at, jobs[5].id))

    assert store.queries.count(ANONYMOUS, everything, len(jobs)) == Count(len(jobs))
    assert store.queries.count(ANONYMOUS, everything, len(jobs) - 1) == Count(len(jobs) - 1, is_exact=False)


def test_a_count_reads_no_more_than_a_page_does(store):
    populate_texts(store)
    is_sql = isinstance(store, SqlStore)
    queries = SqlJobQueries(store.engine, scanned_keys=2) if is_sql else store.queries

    counted = queries.count(ANONYMOUS, JobFilter(limit=1, search="blue"), 100)

    assert counted == (Count(1, is_exact=False) if is_sql else Count(2))


def pages(store, wanted):
    while page := store.queries.page(ANONYMOUS, wanted).jobs:
        assert len(page) <= wanted.limit
        yield page
        wanted = replace(wanted, cursor=Cursor(page[-1].created_at, page[-1].job_id))


def test_pages_follow_on_each_other_without_a_gap_or_a_repetition(store):
    jobs = populate(store)
    for wanted in (
        JobFilter(limit=7),
        JobFilter(limit=1, project_id=jobs[0].project_id, language="rust"),
        JobFilter(limit=3, statuses=frozenset({JobStatus.PENDING, JobStatus.SUCCESS})),
        JobFilter(limit=5, tags={"env": "prod"}),
        JobFilter(limit=4, project_id=jobs[0].project_id, statuses=frozenset({JobStatus.RUNNING})),
        JobFilter(limit=2, tags={"Team": "x"}, statuses=frozenset({JobStatus.FAILED, JobStatus.RUNNING})),
    ):
        expected = [job.id for job in jobs if matches(job, wanted)]

        assert [view.job_id for page in pages(store, wanted) for view in page] == expected, wanted
        oldest = replace(wanted, oldest_first=True)
        assert [view.job_id for page in pages(store, oldest) for view in page] == expected[::-1], wanted


@pytest.mark.parametrize(
    ("text", "other"), [("🎉", "🐛"), ("résumé", "resume"), ("ß", "ss"), ("é", "e\u0301"), ("가", "각")]
)
def test_a_search_tells_apart_what_differs_in_more_than_the_case_of_letters(store, text, other):
    of_text = a_job(store, tags={"kind": f"one {text}"}, description=f"a {text}")
    of_other = a_job(store, tags={"kind": f"one {other}"}, description=f"a {other}")

    def found(searched):
        page = store.queries.page(ANONYMOUS, JobFilter(limit=10, search=searched))
        return [job.job_id for job in page.jobs]

    assert (found(text), found(f"KIND:ONE {text}")) == ([of_text.id], [of_text.id])
    assert (found(other), found(f"KIND:ONE {other}")) == ([of_other.id], [of_other.id])


def test_names_of_tags_have_no_prefix_that_is_not_ascii(store):
    a_job(store, tags={"team": "blue"})

    assert list(store.queries.tag_names(ANONYMOUS, None, "팀", 10)) == []
    assert list(store.queries.tag_names(ANONYMOUS, None, "te", 10)) == ["team"]


def test_a_search_that_ends_early_can_be_gone_on_with_until_all_is_found(store):
    jobs = populate(store)
    queries = SqlJobQueries(store.engine, scanned_keys=3) if isinstance(store, SqlStore) else store.queries

    for wanted in list(filters(jobs))[::5]:
        found = [view.job_id for page in searches(queries, replace(wanted, limit=2)) for view in page.jobs]

        assert found == [job.id for job in jobs if matches(job, wanted)], wanted


def populate_texts(store):
    """Store jobs of known ids, with descriptions and tags; return them, the newest first."""
    rows = (
        ("0190b6f2-3c1a-7000-8000-000000000001", "Fix the Parser", {}),
        ("0190b6f2-3c1a-7000-8000-000000000002", "50% of \\ _all_", {"team": "Blue"}),
        ("0190b6f2-4d2b-7000-8000-000000000003", None, {"team": "blue ", "run": "七"}),
        ("a190b6f2-4d2b-7000-8000-000000000004", "日本語 0190b6f2", {"Parser": "x"}),
    )
    jobs = []
    for number, (job_id, description, tags) in enumerate(rows):
        project = a_project(store, "one" if number % 2 else "two")
        spec = a_spec(description=description, tags=tags)
        now = NOW + timedelta(seconds=-number)  # ids follow in another order than jobs
        jobs.append(Job.submit(JobId(UUID(job_id)), project, spec, now)[0])
    store.run(lambda transaction: [transaction.jobs.add(job) for job in jobs])
    return jobs


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"search": "parser"}, [0, 3]),
        ({"search": "PARSER"}, [0, 3]),
        ({"search": "parser:X"}, [3]),
        ({"search": "blue"}, [1, 2]),
        ({"search": "team:blue "}, [2]),
        ({"search": "%"}, [1]),
        ({"search": "_"}, [1]),
        ({"search": "\\"}, [1]),
        ({"search": "七"}, [2]),
        ({"search": "本"}, [3]),
        ({"search": "0190B6F2"}, [0, 1, 2, 3]),
        ({"search": "0190b6f2-4d"}, [2]),
        ({"search": "-"}, []),
        ({"search": "000000000003"}, [2]),
        ({"search": "8000-000000000004"}, [3]),
        ({"search": "0" * 33}, []),
        ({"search": "nothing"}, []),
        ({"search": "blue", "tags": {"team": "Blue"}}, [1]),
        ({"search": "parser", "language": "rust"}, []),
        ({"search": "parser", "statuses": frozenset({JobStatus.PENDING})}, [0, 3]),
        ({"id_prefix": "0"}, [0, 1, 2]),
        ({"id_prefix": "0190b6f24"}, [2]),
        ({"id_prefix": "0190b6f23c1a70008000000000000002"}, [1]),
        ({"id_prefix": "ffff"}, []),
        ({"id_prefix": "0190b6f2", "search": "blue"}, [1, 2]),
        ({"id_prefix": "0190b6f2", "tags": {"team": "Blue"}}, [1]),
        ({"id_prefix": "0190b6f2", "statuses": frozenset({JobStatus.FAILED})}, []),
        ({"id_prefix": "0190b6f2", "language": "python"}, [0, 1, 2]),
        ({"id_prefix": "0190b6f2", "phases": frozenset({Phase.WAITING})}, [0, 1, 2]),
        ({"id_prefix": "0190b6f2", "phases": frozenset({Phase.RUNNING})}, []),
        ({"id_prefix": "0190b6f2", "created_after": NOW - timedelta(seconds=2)}, [0, 1]),
    ],
)
def test_texts_and_beginnings_of_ids_narrow_a_list_whatever_else_does(store, wanted, numbers):
    jobs = populate_texts(store)
    short = SqlJobQueries(store.engine, scanned_keys=2) if isinstance(store, SqlStore) else store.queries
    expected = [jobs[number].id for number in numbers]

    for project in (None, jobs[0].project_id):
        one = JobFilter(limit=100, project_id=project, **wanted)
        found = [job.id for job in jobs if job.id in expected and project in {None, job.project_id}]
        assert [view.job_id for view in store.queries.page(ANONYMOUS, one).jobs] == found
        searched = searches(short, replace(one, limit=1))
        assert [view.job_id for page in searched for view in page.jobs] == found


def populate_phases(store):
    """Store jobs of every phase, in two languages, with and without a tag; return them with their phases."""
    found = {}
    for language, tags in product(("python", "rust"), ({}, {"env": "prod"})):
        spec = {"language": LANGUAGES[language], "tags": tags}
        job = a_job(store, **spec)
        found[job.id] = job, Phase.WAITING
        for phase in Phase:
            job, execution = a_running_job(store, **spec)
            found[job.id] = job, phase
            if phase is Phase.WAITING:
                store.run(lambda transaction, one=execution: transaction.executions.end(one.id, None, LATER))
                continue
            claim(store)
            if phase is not Phase.RUNNING:
                mark_building(store, execution)
            if phase is not Phase.BUILDING:
                mark_started(store, execution)
            if phase is Phase.ENDED:
                found[job.id] = complete(store, job, execution)[0], phase
    return found


def test_phases_narrow_a_list_whatever_else_does(store):
    found = populate_phases(store)
    newest_first = sorted(found.values(), key=lambda one: (one[0].created_at, one[0].id), reverse=True)
    short = SqlJobQueries(store.engine, scanned_keys=2) if isinstance(store, SqlStore) else store.queries
    sets = [frozenset(chosen) for size in (0, 1, 2) for chosen in combinations(Phase, size)]
    statuses = (frozenset(), frozenset({JobStatus.RUNNING}), frozenset({JobStatus.PENDING, JobStatus.FAILED}))
    for chosen, status, language, tags in product(sets, statuses, (None, "rust"), ({}, {"env": "prod"})):
        wanted = JobFilter(limit=1_000, phases=chosen, statuses=status, language=language, tags=tags)
        expected = [
            job.id for job, phase in newest_first if matches(job, wanted) and (not chosen or phase in chosen)
        ]

        assert [view.job_id for view in store.queries.page(ANONYMOUS, wanted).jobs] == expected, wanted
        searched = searches(short, replace(wanted, limit=3))
        assert [view.job_id for page in searched for view in page.jobs] == expected, wanted


def searches(queries, wanted):
    while True:
        found = queries.page(ANONYMOUS, wanted)
        yield found
        cursor = found.resume_after
        if cursor is None and len(found.jobs) == wanted.limit:
            cursor = Cursor(found.jobs[-1].created_at, found.jobs[-1].job_id)
        if cursor is None:
            return
        wanted = replace(wanted, cursor=cursor)


def test_jobs_that_come_while_one_pages_disturb_nothing(store):
    jobs = populate(store)
    found = []
    for page in pages(store, JobFilter(limit=10)):
        found.extend(view.job_id for view in page)
        a_job(store, now=LATER)

    assert found == [job.id for job in jobs]


def test_a_list_of_an_unknown_project_is_empty(store):
    a_job(store)

    assert store.queries.page(ANONYMOUS, JobFilter(limit=10, project_id=ProjectId(4_711))).jobs == []


def test_lists_and_statuses_are_read_while_jobs_change(store):
    job, _execution = a_running_job(store)
    stop = threading.Event()

    def read():
        seen = set()
        while not stop.is_set():
            seen.add(store.queries.status(ANONYMOUS, job.id).status)
            seen.update(view.status for view in store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs)
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for _ in range(20):
            a_job(store)
        cancel(store, job)
        stop.set()
        seen = set.union(*(reader.result() for reader in readers))

    assert seen <= {JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLED}


def test_a_version_changes_with_whatever_happens_to_a_job(store):
    pending = a_job(store)
    versions = [store.queries.versions([pending.id])[pending.id]]
    started, execution, _events = pending.start(new_execution_id(), None, LATER)

    def start(transaction):
        transaction.jobs.replace(pending, started)
        transaction.executions.add(started, execution)

    for step in (
        start,
        lambda transaction: transaction.executions.claim_next("worker", 30),
        lambda transaction: transaction.executions.mark_started(execution.id, "worker"),
        lambda transaction: transaction.executions.end(execution.id, RESULT, LATER),
    ):
        store.run(step)
        versions.append(store.queries.versions([pending.id])[pending.id])

    assert len(set(versions)) == len(versions)
    assert versions[-1] == store.queries.details(ANONYMOUS, pending.id).version


def test_only_known_jobs_have_versions(store):
    job = a_job(store)

    assert set(store.queries.versions([job.id, JobId(uuid4())])) == {job.id}
    assert store.queries.versions([]) == {}
