"""Lists read their own rows and little more, however many jobs there are."""

import re
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from adapters.sql.dashboard_queries import (
    LISTED_DELAYED,
    LISTED_RUNNING,
    LISTED_RUNNING_OF_ALL,
    LISTED_WAITING,
    ended_statement,
)
from adapters.sql.execution_repository import SqlExecutionRepository
from adapters.sql.job_pages import (
    PageShape,
    count_statement,
    last_key_statement,
    matches_statement,
    next_tag_statement,
    page_statement,
    walks,
)
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.operation_queries import (
    DEAD_DELIVERIES,
    OLDEST_IN_OUTBOX,
    POSTPONED,
    WAITING,
    WAITING_OF,
)
from adapters.sql.project_repository import COUNT_PROJECTS, last_project_statement, projects_statement
from adapters.sql.queue_statements import OLDEST_OF
from adapters.sql.tables import job_tags
from application.lists import Cursor, JobFilter, ProjectOrder
from domain.job_lifecycle import JobStatus, Phase
from domain.tenant import DEFAULT_TENANT
from domain.values import ProjectId
from tests.support.callers import ANONYMOUS
from tests.support.databases import migrated_schema
from tests.support.filled_database import BEGIN, PROJECTS, fill, half_of_all, job_id
from tests.support.stores import PATIENT, SqlStore

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
)
FILTERS = [
    *(
        JobFilter(limit=LIMIT, **dict(zip(NOT_SELECTIVE, values, strict=True)))
        for values in product(*NOT_SELECTIVE.values())
    ),
    *RARE,
]

SEARCHES = (
    JobFilter(limit=LIMIT, search="none"),
    JobFilter(limit=LIMIT, id_prefix="0"),
    JobFilter(limit=LIMIT, id_prefix="0", search="none"),
    JobFilter(limit=LIMIT, id_prefix=job_id(7).hex, project_id=ProjectId(1), tags={"env": "prod"}),
    JobFilter(limit=LIMIT, created_before=BEGIN + timedelta(seconds=2)),
)


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def filled(request):
    """A server with many jobs, and one connection, whose counters are looked at."""
    url = migrated_schema(request.getfixturevalue(request.param), "flat")
    store = SqlStore(url, replace(PATIENT, pool_size=1))
    fill(store.engine, JOBS)
    with store.engine.begin() as connection:
        for table in ("jobs", "job_tags", "executions"):
            connection.exec_driver_sql(f"ANALYZE TABLE {table}").all()
    yield store
    store.close()


@pytest.fixture(scope="module")
def halves(request, tmp_path_factory):
    """Databases with two halves of jobs that have nothing in common, and a counter of rows read."""

    def halves(kind):
        if kind in stores:
            return stores[kind]
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('halves') / 'store.db'}"
        else:
            url = migrated_schema(request.getfixturevalue(kind), "halves")
        stores[kind] = SqlStore(url, replace(PATIENT, pool_size=1))
        fill(stores[kind].engine, TWO_HALVES, half_of_all)
        return stores[kind]

    stores = {}
    yield halves
    for store in stores.values():
        store.close()


class Instructions:
    """Counts instructions of SQLite's virtual machine: a row that is read takes some ten."""

    def __init__(self, engine):
        self.count = 0
        with engine.connect() as connection:
            connection.connection.driver_connection.set_progress_handler(self._tell, 10)

    def _tell(self):
        self.count += 1
        return 0


TWO_HALVES = 4_000
# The filters of one half, and of the other.
ONE_HALF = (
    {"project_id": ProjectId(1)},
    {"statuses": frozenset({JobStatus.SUCCESS})},
    {"language": "python"},
    {"tags": {"env": "prod"}},
)
OTHER_HALF = (
    {"project_id": ProjectId(2)},
    {"statuses": frozenset({JobStatus.FAILED, JobStatus.TIMEOUT})},
    {"language": "node"},
    {"tags": {"team": "a"}},
)
RANGES = (
    {},
    {"created_after": BEGIN + timedelta(seconds=TWO_HALVES // 3)},
    {"created_before": BEGIN + timedelta(seconds=2 * TWO_HALVES // 3)},
)
THIRDS = (
    {"tags": {"run": "7"}},
    {"search": "none"},
    {"id_prefix": "0"},
    {"id_prefix": job_id(7).hex},
)
SCANNED = 100
# They are counted, walked through and looked for; a server writes them down in between and reads them again.
MAX_WALKED = 40 * SCANNED


def disjoint_filters():
    """Yield each filter of one half beside each of the other, with times or a third."""
    for one, other, more in product(ONE_HALF, OTHER_HALF, (*RANGES, *THIRDS)):
        if one.keys() != other.keys() or "tags" in one:
            tags = one.get("tags", {}) | other.get("tags", {}) | more.get("tags", {})
            yield JobFilter(limit=LIMIT, **{**more, **other, **one, "tags": tags})


KINDS = pytest.mark.parametrize("kind", ["sqlite", "mariadb", "mysql"])


def assert_reads_a_bounded_number(store, filters):
    queries = SqlJobQueries(store.engine, scanned_keys=SCANNED)
    instructions = Instructions(store.engine) if store.engine.dialect.name == "sqlite" else None
    for wanted in filters:
        before = instructions.count if instructions else rows_read(store)

        queries.page(ANONYMOUS, wanted)

        read = (instructions.count if instructions else rows_read(store)) - before
        assert read <= MAX_WALKED, wanted


@KINDS
def test_filters_of_which_each_finds_many_and_all_none_read_a_bounded_number(halves, kind):
    assert_reads_a_bounded_number(halves(kind), disjoint_filters())


@KINDS
def test_phases_of_a_long_queue_read_a_bounded_number(halves, kind):
    # Given a long queue, of which a few are running
    store = halves(kind)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET status = 'RUNNING'")
        connection.exec_driver_sql("UPDATE executions SET state = 'WAITING'")
    store.run(lambda transaction: transaction.executions.claim_next("worker", 30, limit=10, starts=True))
    # Then lists of any phases and anything else read no more than a walk does
    phases = (
        *({phase} for phase in Phase),
        {Phase.RUNNING, Phase.BUILDING},
        {Phase.RUNNING, Phase.WAITING},
        {Phase.BUILDING, Phase.ENDED},
    )
    assert_reads_a_bounded_number(
        store,
        (
            JobFilter(limit=LIMIT, phases=frozenset(chosen), **other)
            for chosen, other in product(phases, ({}, *ONE_HALF, *OTHER_HALF, *THIRDS))
            if "statuses" not in other
        ),
    )
    running = SqlJobQueries(store.engine, scanned_keys=SCANNED).page(
        ANONYMOUS, JobFilter(limit=LIMIT, phases=frozenset({Phase.RUNNING}))
    )
    assert len(running.jobs) == 10


def rows_read(store):
    with store.engine.connect() as connection:
        return rows_read_by(connection)


def rows_read_by(connection):
    counters = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
    return sum(int(count) for _name, count in counters)


def test_a_server_reads_few_rows_for_a_list(filled):
    for wanted in FILTERS:
        before = rows_read(filled)

        filled.queries.page(ANONYMOUS, wanted)

        is_exact = walks(PageShape.of(wanted))[0].is_exact
        assert rows_read(filled) - before <= (MAX_READ if is_exact else 3 * MAX_READ), wanted


def test_a_server_reads_few_rows_for_the_oldest_and_for_totals(filled):
    for wanted in FILTERS[::5]:
        before = rows_read(filled)

        filled.queries.page(ANONYMOUS, replace(wanted, oldest_first=True))
        filled.queries.count(ANONYMOUS, wanted, LIMIT)

        is_exact = walks(PageShape.of(wanted))[0].is_exact
        # Where no index has all filters, three walks through as many as there are; their keys are read twice.
        assert rows_read(filled) - before <= (2 * MAX_READ if is_exact else 8 * JOBS), wanted


def test_a_server_reads_a_row_for_each_tag_that_it_suggests(filled):
    before = rows_read(filled)

    assert filled.queries.tag_names(ANONYMOUS, None, "", LIMIT) == ["env", "team"]
    assert filled.queries.tag_values(ANONYMOUS, ProjectId(3), "env", "p", LIMIT) == ["prod"]

    assert rows_read(filled) - before <= 10


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


def test_a_server_reads_few_rows_for_the_queue(filled):
    # Given as many that wait as there are
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE executions SET state = 'WAITING'")
        connection.exec_driver_sql("UPDATE jobs SET status = 'RUNNING'")
    filled.run(lambda transaction: transaction.executions.claim_next("worker", 30, limit=LIMIT))
    before = rows_read(filled)

    waiting = filled.dashboard.waiting(DEFAULT_TENANT, LIMIT)
    running = filled.dashboard.running(None, LIMIT)

    assert (len(waiting), len(running)) == (LIMIT, LIMIT)
    assert rows_read(filled) - before <= 2 * LIMIT * 6  # a key, twice in between, its row, job and project


@pytest.mark.parametrize("statement", [LISTED_WAITING, LISTED_DELAYED, LISTED_RUNNING, LISTED_RUNNING_OF_ALL])
def test_sqlite_finds_the_queue_in_an_index(sqlite_url, open_store, statement):
    store = open_store(sqlite_url)
    compiled = statement.compile(store.engine)
    with store.engine.connect() as connection:
        parameters = tuple(None for _ in compiled.positiontup or ())
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)]

    assert sum("USING COVERING INDEX ix_executions_queue" in step for step in plan) == 1, plan
    assert not [step for step in plan if step.startswith(("SCAN executions", "SCAN jobs"))], plan


@pytest.mark.parametrize(
    "statement", [WAITING, WAITING_OF, OLDEST_OF, POSTPONED, OLDEST_IN_OUTBOX, DEAD_DELIVERIES]
)
def test_sqlite_counts_what_waits_in_an_index(sqlite_url, open_store, statement):
    store = open_store(sqlite_url)
    compiled = statement.compile(store.engine)
    with store.engine.connect() as connection:
        parameters = tuple(1 for _ in compiled.positiontup or ())
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)]

    reads = [step for step in plan if re.match(r"(SCAN|SEARCH) (executions|outbox|webhook_deliveries)", step)]
    assert reads
    assert all("USING COVERING INDEX" in step for step in reads), plan


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
    for wanted in (*FILTERS, *SEARCHES):
        shape = PageShape.of(wanted)
        for walk in walks(shape):
            assert_uses_indexes(store, page_statement(shape, walk), wanted)
            assert_uses_indexes(store, last_key_statement(shape, walk), wanted)
            assert_uses_indexes(store, matches_statement(shape, walk), wanted)
            oldest = replace(shape, oldest=True)
            assert_uses_indexes(store, page_statement(oldest, walk), wanted)
        assert_uses_indexes(store, count_statement(shape), wanted)


def test_sqlite_finds_projects_and_tags_in_an_index(sqlite_url, open_store):
    store = open_store(sqlite_url)
    statements = [COUNT_PROJECTS]
    for order in ProjectOrder:
        statements += [
            projects_statement(order, searches=searches, goes_on=goes_on)
            for searches, goes_on in product((False, True), repeat=2)
        ]
        statements += [last_project_statement(order, goes_on=goes_on) for goes_on in (False, True)]
    for statement in statements:
        assert_uses_indexes(store, statement, statement)
    for column, of_project in product((job_tags.c.name, job_tags.c.value), (False, True)):
        (step,) = plan_of(store, next_tag_statement(column, of_project=of_project, follows=True))
        assert step.startswith("SEARCH job_tags USING COVERING INDEX ix_job_tags"), step


def plan_of(store, statement):
    compiled = statement.compile(store.engine)
    parameters = tuple(None for _ in compiled.positiontup or ())
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)
        return [row[3] for row in rows]


def assert_uses_indexes(store, statement, wanted):
    plan = plan_of(store, statement)
    scans = [
        step
        for step in plan
        if step.startswith("SCAN")
        and not step.startswith(("SCAN page", "SCAN status", "SCAN way", "SCAN named", "SCAN counted"))
    ]

    assert scans in ([], ["SCAN jobs USING COVERING INDEX ix_jobs_created"]), (wanted, plan)
