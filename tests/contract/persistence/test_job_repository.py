from dataclasses import replace
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest

from application.errors import ConcurrencyConflict
from application.lists import JobFilter
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.sealed_secrets import SealedSecrets
from domain.submission import TagChange
from domain.values import JobId, ObjectKey
from tests.support.callers import ANONYMOUS
from tests.support.samples import (
    LATER,
    NOW,
    a_job,
    a_project,
    a_running_job,
    a_spec,
    cancel,
    new_execution_id,
    the_project,
)


def get(store, job_id):
    return store.run(lambda transaction: transaction.jobs.get_of_any_tenant(job_id))


def test_a_job_comes_back_as_it_was(store):
    job = a_job(
        store,
        code_key=ObjectKey(f"{'日' * 300}/main.rs"),
        language=LANGUAGES["rust"],
        limits=STANDARD_LIMITS.resolve({"timeout_ms": 600_000, "memory_mb": 16}),
        function_name="main",
        description="line\nanother \U0001f600",
        stdin="in\0put \U0001f600\r\n'\"\\%s ?",
        args=("", "--flag", "a b\n", "é"),
        env={"PATH": "", "LANG": "日本語"},
        tags={"env": "prod", "Team.x_y-z": "  spaces \U0001f600 "},
        priority=9,
        max_attempts=3,
        retry_on=(Reason.SIGNAL, Reason.NONZERO_EXIT),
        runtime="rust@1",
        presets=("strict", "debug"),
    )

    assert get(store, job.id) == job


def test_sealed_secrets_come_back_as_they_were(store):
    secrets = SealedSecrets("key-1", wrapped_key="a+/=", box="b" * 100_000)
    job = a_job(store, secrets=secrets)

    assert get(store, job.id).spec.secrets == secrets


def test_a_job_with_all_that_is_optional_left_out_comes_back_too(store):
    job = a_job(store)

    assert get(store, job.id) == job


def test_a_megabyte_of_input_is_kept(store):
    job = a_job(store, stdin="\U0001f600" * (1 << 18))

    assert get(store, job.id).spec.stdin == job.spec.stdin


def test_input_that_grows_in_json_is_read_whole(store):
    job = a_job(store, stdin="\1" * (3 << 20))  # as JSON, it is more than a packet of the database's

    assert get(store, job.id) == job
    assert store.queries.details(ANONYMOUS, job.id).job == job


def test_jobs_come_back_together_as_they_do_singly(store):
    jobs = [a_job(store, stdin="\1" * (number << 20)) for number in range(3)]
    wanted = {job.id: job for job in jobs[1:]}

    assert store.run(lambda transaction: transaction.jobs.get_all_of_any_tenant(wanted)) == wanted
    assert store.run(lambda transaction: transaction.jobs.get_all_of_any_tenant([])) == {}


def test_a_job_comes_with_its_project(store):
    job = a_job(store, project="jobs", description="its own")

    found = store.run(lambda transaction: transaction.jobs.get_with_project(ANONYMOUS, job.id))

    assert found == (job, a_project(store, "jobs"))


def test_there_is_no_project_of_an_unknown_job(store):
    assert store.run(lambda transaction: transaction.jobs.get_with_project(ANONYMOUS, JobId(uuid4()))) is None


def test_times_are_kept_in_utc_to_the_microsecond(store):
    seoul = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=9)))

    job = get(store, a_job(store, now=seoul).id)

    assert job.created_at == seoul
    assert job.created_at.microsecond == 1


def test_there_is_no_unknown_job(store):
    assert get(store, JobId(uuid4())) is None


def test_a_job_that_is_stored_already_stays_as_it_is(store):
    job = a_job(store, tags={"a": "1"})
    other = replace(job, spec=a_spec(description="another", tags={"a": "2", "b": "3"}))

    store.run(lambda transaction: transaction.jobs.add(other))

    assert get(store, job.id) == job


def test_a_job_needs_its_project(store):
    job, _events = Job.submit(JobId(uuid4()), the_project(a_project(store).id + 1_000), a_spec(), NOW)

    with pytest.raises(Exception, match=r"project|FOREIGN KEY|foreign key"):
        store.run(lambda transaction: transaction.jobs.add(job))


def test_what_became_of_a_job_is_kept(store):
    job, _execution = a_running_job(store)
    assert get(store, job.id) == job

    cancelled = cancel(store, job)

    assert get(store, job.id) == cancelled


def test_a_job_may_be_replaced_without_a_change(store):
    job = a_job(store)

    store.run(lambda transaction: transaction.jobs.replace(job, job))

    assert get(store, job.id) == job


def test_a_decision_on_another_status_is_void(store):
    job = a_job(store)
    cancelled = cancel(store, job)

    assert is_void(store, job, job)
    assert get(store, job.id) == cancelled


def test_a_decision_on_another_execution_is_void(store):
    job, _execution = a_running_job(store)
    cancelled, _events = job.cancel(LATER)

    assert is_void(store, replace(job, current_execution_id=new_execution_id()), cancelled)
    assert is_void(store, replace(job, current_execution_id=None), cancelled)
    assert get(store, job.id) == job


def test_a_decision_on_a_job_that_is_not_there_is_void(store):
    job = a_job(store)

    assert is_void(store, replace(job, id=JobId(uuid4())), job)


def is_void(store, before, after, change="replace"):
    def work(transaction):
        try:
            getattr(transaction.jobs, change)(before, after)
        except ConcurrencyConflict:
            return True
        return False

    return store.run(work)


def test_a_job_is_failed_unread_by_its_running_execution_only(store):
    job, execution = a_running_job(store)
    other, other_execution = a_running_job(store)

    def fail(execution_id):
        return store.run(
            lambda transaction: transaction.jobs.fail(job.id, execution_id, Reason.INTERNAL, LATER)
        )

    assert [fail(other_execution.id), fail(execution.id), fail(execution.id)] == [False, True, False]
    expected = replace(
        job, status=JobStatus.FAILED, reason=Reason.INTERNAL, completed_at=LATER, updated_at=LATER
    )
    assert store.run(lambda transaction: transaction.jobs.get_of_any_tenant(job.id)) == expected
    assert store.run(lambda transaction: transaction.jobs.get_of_any_tenant(other.id)) == other


def test_new_tags_are_stored_and_found_by(store):
    job = a_job(store, tags={"team": "blue", "old": "1"}, description="kept", args=("x",))
    after = job.tag(TagChange({"team": "red", "new": "2"}, frozenset({"old"})), LATER)

    store.run(lambda transaction: transaction.jobs.replace_tags(job, after))

    assert get(store, job.id) == after
    assert after.spec == replace(job.spec, tags={"team": "red", "new": "2"})
    found = {
        tag: [
            view.job_id for view in store.queries.page(ANONYMOUS, JobFilter(limit=9, tags=dict([tag]))).jobs
        ]
        for tag in (("team", "red"), ("new", "2"), ("team", "blue"), ("old", "1"))
    }
    assert found == {
        ("team", "red"): [job.id],
        ("new", "2"): [job.id],
        ("team", "blue"): [],
        ("old", "1"): [],
    }


def test_the_last_tag_can_be_removed(store):
    job = a_job(store, tags={"old": "1"})
    after = job.tag(TagChange(remove=frozenset({"old", "missing"})), LATER)

    store.run(lambda transaction: transaction.jobs.replace_tags(job, after))

    assert get(store, job.id).spec.tags == {}


def test_tags_that_were_changed_by_another_are_not_overwritten(store):
    job = a_job(store)
    first, second = (job.tag(TagChange({name: "x"}), LATER) for name in ("first", "second"))
    store.run(lambda transaction: transaction.jobs.replace_tags(job, first))

    assert is_void(store, job, second, "replace_tags")
    assert get(store, job.id) == first
