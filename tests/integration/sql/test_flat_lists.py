"""Lists read what they show and little more, however many jobs there are."""

from datetime import timedelta
from itertools import product

import pytest

from adapters.sql.dashboard_queries import ended_statement
from adapters.sql.execution_repository import SqlExecutionRepository
from adapters.sql.job_pages import PageShape, page_statement
from adapters.sql.options import DatabaseOptions
from application.views import Cursor, JobFilter
from domain.job_lifecycle import JobStatus
from domain.values import ProjectId
from tests.support.filled_database import BEGIN, PROJECTS, fill, job_id
from tests.support.stores import SqlStore

JOBS = 3_000
LIMIT = 20
MAX_READ = 20 * LIMIT  # keys, and rows of four tables, for each of three statuses
MIDDLE = Cursor(BEGIN + timedelta(seconds=JOBS // 2), job_id(JOBS // 2))
NOT_SELECTIVE = {
    "project_id": (None, ProjectId(PROJECTS)),
    "statuses": (
        frozenset(),
        frozenset({JobStatus.SUCCESS}),
        frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.RUNNING}),
    ),
    "language": (None, "python"),
    "tags": ({}, {"env": "prod"}, {"env": "prod", "team": "a"}),
    "cursor": (None, MIDDLE),
}
RARE = (
    JobFilter(limit=LIMIT, language="perl"),
    JobFilter(limit=LIMIT, statuses=frozenset({JobStatus.RUNNING, JobStatus.TIMEOUT})),
    JobFilter(limit=LIMIT, tags={"env": "none"}),
    JobFilter(limit=LIMIT, project_id=ProjectId(4_711)),
    JobFilter(limit=LIMIT, project_id=ProjectId(1), language="perl"),
    JobFilter(limit=LIMIT, project_id=ProjectId(1), statuses=frozenset({JobStatus.TIMEOUT})),
    JobFilter(limit=LIMIT, created_after=BEGIN + timedelta(days=1)),
    JobFilter(limit=LIMIT, created_before=BEGIN),
    JobFilter(limit=LIMIT, created_before=BEGIN + timedelta(seconds=2)),
)
FILTERS = [
    *(
        JobFilter(limit=LIMIT, **dict(zip(NOT_SELECTIVE, values, strict=True)))
        for values in product(*NOT_SELECTIVE.values())
    ),
    *RARE,
]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def filled(request):
    """A server with many jobs, and one connection, whose counters are looked at."""
    url = request.getfixturevalue(request.param).create_schema("flat")
    store = SqlStore(url, DatabaseOptions(pool_size=1))
    fill(store.engine, JOBS)
    with store.engine.begin() as connection:
        for table in ("jobs", "job_tags", "executions"):
            connection.exec_driver_sql(f"ANALYZE TABLE {table}").all()
    yield store
    store.close()


def rows_read(store):
    with store.engine.connect() as connection:
        return rows_read_by(connection)


def rows_read_by(connection):
    counters = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
    return sum(int(count) for _name, count in counters)


def test_a_server_reads_few_rows_for_a_list(filled):
    for wanted in FILTERS:
        before = rows_read(filled)

        filled.queries.page(wanted)

        assert rows_read(filled) - before <= MAX_READ, wanted


@pytest.mark.parametrize("limit", [1, 16, 256])
def test_a_server_reads_and_locks_no_more_than_it_claims(filled, limit):
    # Given as many that wait as there are, for as long as this transaction lasts
    with filled.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE executions SET state = 'WAITING'")
        before = rows_read_by(connection)
        # When some are claimed
        claimed = SqlExecutionRepository(connection).claim_next("worker", 30, limit=limit)
        # Then these are read, once to be found and once to be changed
        assert rows_read_by(connection) - before <= 4 * limit + 100
        assert len(claimed) == limit
        connection.rollback()


def test_a_server_reads_few_rows_for_charts_of_what_ended(filled):
    times = [BEGIN + timedelta(seconds=JOBS // 4 * part) for part in range(5)]
    before = rows_read(filled)

    slices = filled.dashboard.ended(times, LIMIT)

    assert list(map(len, slices)) == [LIMIT] * 4
    assert rows_read(filled) - before <= 4 * LIMIT * 5  # a key, its row, twice in between, and its job


def test_sqlite_finds_what_ended_in_an_index(sqlite_url, open_store):
    store = open_store(sqlite_url)
    compiled = ended_statement(2).compile(store.engine)
    with store.engine.connect() as connection:
        parameters = tuple(None for _ in compiled.positiontup or ())
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)]

    assert sum("USING INDEX ix_executions_ended" in step for step in plan) == 2, plan
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN executions")], plan


def test_sqlite_finds_every_list_in_an_index(sqlite_url, open_store):
    store = open_store(sqlite_url)
    for wanted in FILTERS:
        statement = page_statement(PageShape.of(wanted), is_packed=False)
        compiled = statement.compile(store.engine)
        with store.engine.connect() as connection:
            compiled_sql = f"EXPLAIN QUERY PLAN {compiled}"
            parameters = tuple(None for _ in compiled.positiontup or ())
            plan = [row[3] for row in connection.exec_driver_sql(compiled_sql, parameters)]
        scans = [
            step for step in plan if step.startswith("SCAN") and "page" not in step and "status" not in step
        ]

        assert scans in ([], ["SCAN jobs USING COVERING INDEX ix_jobs_created"]), (wanted, plan)
        # A sort of what the limit has let through: of the page, and of each status's share of it.
        assert sum("TEMP B-TREE" in step for step in plan) <= 1 + len(wanted.statuses), (wanted, plan)
