"""A row that this version of the service cannot read holds up no other."""

import json
from dataclasses import asdict, replace

import pytest
import sqlalchemy as sa

from adapters.sql.job_repository import SqlJobRepository
from application.commands import UploadCodeCommand
from application.errors import CorruptRow
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support.callers import ANONYMOUS
from tests.support.databases import make_tables
from tests.support.processes import eventually
from tests.support.samples import a_session
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

# Specifications that another version wrote, or a hand.
UNREADABLE = {
    "an argument that is none": {"args": [7, "\0"]},
    "limits that are no table": {"limits": []},
    "more attempts than there may be": {"max_attempts": 9},
    "a key that is none": {"code_key": "../secret"},
}


@pytest.fixture
def container(tmp_path):
    """A service on an embedded database, of which a test calls the use cases itself."""
    make_tables(tmp_path)
    container = build_container(settings_of(data_dir=tmp_path, renew_every_s=0.1), STANDARD_LIMITS)
    container.engine.override(ScriptedEngine())
    yield container
    container.database().dispose()


def start(container):
    return (
        container.services()
        .upload_code(
            ANONYMOUS, UploadCodeCommand(project="demo", code="print(1)", language="python", execute=True)
        )
        .job_id
    )


def change(container, job_id, values):
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with container.database().begin() as connection:
        connection.execute(
            sa.text(f"UPDATE jobs SET {changes} WHERE job_id = :id"),  # noqa: S608 - columns named above
            {**values, "id": str(job_id)},
        )


def change_spec(container, job_id, **values):
    """Change a part of a job's specification."""
    change(container, job_id, {"spec": json.dumps({**spec_of(container, job_id), **values})})


def change_old_columns(container, job_id, **values):
    """Change a part of a job that the version before the column of specifications wrote."""
    columns = {
        name: value if isinstance(value, str | int) else json.dumps(value) for name, value in values.items()
    }
    change(container, job_id, {"spec": None, **columns})


def write_no_json(container, job_id, **_values):
    """Put something else than JSON in the place of a job's specification."""
    change(container, job_id, {"spec": "{"})


def spec_of(container, job_id):
    with container.database().connect() as connection:
        found = connection.execute(sa.text("SELECT spec FROM jobs WHERE job_id = :id"), {"id": str(job_id)})
        return json.loads(found.scalar_one())


def stands(container, job_id):
    view = container.services().job_reader.status(ANONYMOUS, job_id)
    return view.status, view.reason


@pytest.mark.parametrize("write", [change_spec, change_old_columns, write_no_json])
@pytest.mark.parametrize("values", UNREADABLE.values(), ids=UNREADABLE)
def test_a_job_that_cannot_be_read_ends_as_internal_and_the_next_one_runs(container, values, write):
    # Given a job that cannot be read, and another behind it
    first, second = start(container), start(container)
    spec = spec_of(container, first)
    write(container, first, **values)
    with pytest.raises(CorruptRow):
        container.unit_of_work().read(lambda transaction: transaction.jobs.get_of_any_tenant(first))
    # When a worker has claimed twice
    container.services().run_execution()
    container.services().run_execution()
    # Then the first has failed with a reason, and the second has run
    change(container, first, {"spec": json.dumps(spec)})
    assert stands(container, first) == (JobStatus.FAILED, Reason.INTERNAL)
    assert stands(container, second) == (JobStatus.SUCCESS, None)
    events = container.unit_of_work().run(lambda transaction: transaction.outbox.fetch_stale(0, 100))
    assert [message.body["job_id"] for message in events if message.name == "JobCompleted"] == [
        str(first),
        str(second),
    ]


def test_jobs_that_are_claimed_with_one_that_cannot_be_read_are_all_the_same(container):
    jobs = [start(container) for _ in range(3)]
    change_spec(container, jobs[1], args=[7])

    claims = container.services().claim_execution.claim_next(3)

    assert [claim.job.id for claim in claims] == [jobs[0], jobs[2]]
    assert all(
        claim.job == container.services().job_reader.get(ANONYMOUS, claim.job.id).job for claim in claims
    )
    assert stands(container, jobs[1]) == (JobStatus.FAILED, Reason.INTERNAL)


def test_a_lost_job_that_cannot_be_read_ends_as_internal_and_the_next_one_is_recovered(
    container,
):
    # Given two jobs whose worker is lost, the first of which cannot be read
    first, second = start(container), start(container)
    for _ in range(2):
        container.unit_of_work().run(lambda transaction: transaction.executions.claim_next("gone", 0.001))
    change_spec(container, first, max_attempts=9)
    # When a sweep finds them
    assert eventually(container.services().recover_orphans)
    # Then the first has ended, and the second is to run again
    assert stands(container, first) == (JobStatus.FAILED, Reason.INTERNAL)
    assert len(container.services().job_reader.get(ANONYMOUS, second).executions) == 2


def test_what_a_newer_version_has_added_is_read_over(container):
    # Given a job of a newer version, with an option, a limit and in a language that this one does not know
    job_id = start(container)
    limits = spec_of(container, job_id)["limits"]
    del limits["files"]
    change_spec(container, job_id, label="new", limits={"new_limit": 1, **limits}, language="zig")
    # When it is read, then it has the limits that there are
    job = container.services().job_reader.get(ANONYMOUS, job_id).job
    assert job.spec.limits == STANDARD_LIMITS.resolve({})
    assert job.spec.language.name == "zig"


def test_a_scope_of_a_session_that_a_newer_version_has_added_is_read_over(container):
    session = a_session()
    unit_of_work = container.unit_of_work()
    unit_of_work.run(lambda transaction: transaction.sessions.add(session))
    with container.database().begin() as connection:
        connection.execute(sa.text("""UPDATE sessions SET scopes = '["jobs:read","jobs:new"]'"""))

    assert unit_of_work.read(lambda transaction: transaction.sessions.find(session.digest)) == session


def test_a_job_of_the_version_before_is_read_from_its_columns(container):
    # Given a job with every option, as the version before specifications wrote it
    options = {
        "function_name": "main",
        "description": "in Korean: 설명",
        "stdin": "world",
        "args": ("a", "ü"),
        "env": {"NAME": "value"},
        "tags": {"team": "blue"},
        "priority": 7,
        "max_attempts": 2,
        "limits": {"timeout_ms": 1_000},
    }
    command = UploadCodeCommand(project="demo", code="1", language="python", **options)
    job_id = container.services().upload_code(ANONYMOUS, command).job_id
    written = container.services().job_reader.get(ANONYMOUS, job_id).job
    change(container, job_id, {"spec": None})
    # When it is read, then it is the same, but for the size of its code, which that version did not keep
    kept = replace(written, spec=replace(written.spec, code_bytes=0))
    assert container.services().job_reader.get(ANONYMOUS, job_id).job == kept
    # And it is the same when it is read as a claim reads it
    with container.database().connect() as connection:
        assert SqlJobRepository(connection).get_all_of_any_tenant([job_id]) == {job_id: kept}
    assert {name: getattr(written.spec, name) for name in options} == {
        **options,
        "limits": STANDARD_LIMITS.resolve({"timeout_ms": 1_000}),
    }
    assert container.services().job_reader.status(ANONYMOUS, job_id).timeout_ms == 1_000


def test_the_version_before_finds_a_job_in_the_columns_that_it_reads(container):
    job_id = start(container)

    with container.database().connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM jobs")).mappings().one()
    spec = container.services().job_reader.get(ANONYMOUS, job_id).job.spec
    assert json.loads(row["limits"]) == asdict(spec.limits)
    assert {name: json.loads(row[name]) for name in ("args", "env", "tags")} == {
        "args": [],
        "env": {},
        "tags": {},
    }
    assert (row["language"], row["code_key"], row["priority"], row["max_attempts"], row["stdin"]) == (
        "python",
        spec.code_key.value,
        spec.priority,
        1,
        "",
    )
