"""A row that this version of the service cannot read holds up no other."""

import pytest
import sqlalchemy as sa

from application.commands import UploadCodeCommand
from application.errors import CorruptRow
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

# What a row may have that was written by another version, or by hand.
UNREADABLE = {
    "an argument that is none": {"args": '[7, "\\u0000"]'},
    "limits that are no table": {"limits": "[]"},
    "no JSON at all": {"tags": "{"},
    "more attempts than there may be": {"max_attempts": 9},
    "a key that is none": {"code_key": "../secret"},
}


@pytest.fixture
def container(tmp_path):
    """A service on an embedded database, of which a test calls the use cases itself."""
    container = build_container(settings_of(data_dir=tmp_path), STANDARD_LIMITS)
    container.engine.override(ScriptedEngine())
    container.migrate_up()
    yield container
    container.database().dispose()


def start(container):
    return container.upload_code()(
        UploadCodeCommand(project="demo", code="print(1)", language="python", execute=True)
    ).job_id


def change(container, job_id, values):
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with container.database().begin() as connection:
        connection.execute(
            sa.text(f"UPDATE jobs SET {changes} WHERE job_id = :id"),  # noqa: S608 - columns named above
            {**values, "id": str(job_id)},
        )


def stands(container, job_id):
    view = container.get_job_status()(job_id)
    return view.status, view.reason


@pytest.mark.parametrize("values", UNREADABLE.values(), ids=UNREADABLE)
def test_a_job_that_cannot_be_read_ends_as_internal_and_the_next_one_runs(container, values):
    # Given a job that cannot be read, and another behind it
    first, second = start(container), start(container)
    change(container, first, values)
    with pytest.raises(CorruptRow):
        container.unit_of_work().read(lambda transaction: transaction.jobs.get(first))
    # When a worker has claimed twice
    container.run_execution()()
    container.run_execution()()
    # Then the first has failed with a reason, and the second has run
    change(container, first, {"limits": '{"timeout_ms": 1000}'})
    assert stands(container, first) == (JobStatus.FAILED, Reason.INTERNAL)
    assert stands(container, second) == (JobStatus.SUCCESS, None)
    events = container.unit_of_work().run(lambda transaction: transaction.outbox.fetch_stale(0, 100))
    assert [message.body["job_id"] for message in events if message.name == "JobCompleted"] == [
        str(first),
        str(second),
    ]


def test_jobs_that_are_claimed_with_one_that_cannot_be_read_are_all_the_same(container):
    jobs = [start(container) for _ in range(3)]
    change(container, jobs[1], {"args": "[7]"})

    claims = container.claim_execution()._claim_next(3)

    assert [claim.job.id for claim in claims] == [jobs[0], jobs[2]]
    assert all(claim.job == container.get_job()(claim.job.id).job for claim in claims)
    change(container, jobs[1], {"args": "[]"})
    assert stands(container, jobs[1]) == (JobStatus.FAILED, Reason.INTERNAL)


def test_a_lost_job_that_cannot_be_read_ends_as_internal_and_the_next_one_is_rescued(container, monkeypatch):
    # Given two jobs whose worker is lost, the first of which cannot be read
    first, second = start(container), start(container)
    for _ in range(2):
        container.unit_of_work().run(lambda transaction: transaction.executions.claim_next("gone", 0.001))
    change(container, first, {"max_attempts": 9})
    rescue = container.services().recover_orphans
    monkeypatch.setattr(rescue._window, "succeeded", lambda _asked, _time: True)
    # When a sweep finds them
    rescue()
    # Then the first has ended, and the second is to run again
    assert stands(container, first) == (JobStatus.FAILED, Reason.INTERNAL)
    assert len(container.get_job()(second).executions) == 2


def test_what_a_newer_version_has_added_is_read_over(container):
    # Given a job of a newer version, with a limit and in a language that this one does not know
    job_id = start(container)
    with container.database().begin() as connection:
        (limits,) = connection.exec_driver_sql("SELECT limits FROM jobs").one()
    newer = limits.replace("{", '{"new_limit":1,').replace(',"files":4096', "")
    change(container, job_id, {"limits": newer, "language": "zig"})
    # When it is read, then it has the limits that there are
    job = container.get_job()(job_id).job
    assert job.spec.limits == STANDARD_LIMITS.resolve({})
    assert job.spec.language.name == "zig"
