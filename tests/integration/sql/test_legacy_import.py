"""The import of the replaced service's database: its rows, the rows that are refused, and a kill."""

import re
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pymysql
import pytest
import sqlalchemy as sa

from adapters.sql.engine import create_engine
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.legacy.importing import LegacyImport
from adapters.sql.legacy.rows import LegacyProject, suitable_name
from adapters.sql.mapping import job_values
from adapters.sql.migrate import SqlSchema
from adapters.sql.tables import jobs, projects
from application.errors import DependencyUnavailable
from domain.job import Job
from domain.limits import STANDARD_LIMITS
from domain.values import JobId
from tests.support import legacy_database, service
from tests.support.callers import ANONYMOUS
from tests.support.database_server import PASSWORD, USER
from tests.support.legacy_database import ODD, PROJECTS, SKIPPED, USUAL, job_id
from tests.support.samples import a_spec, the_project

KEPT = len(ODD) - len(SKIPPED)
SEOUL = ["--from", "legacy", "--zone", "+09:00"]


@pytest.fixture
def legacy(mariadb):
    """The replaced service's database on a server, beside an empty one."""
    mariadb.create_schema("replacing")
    engine = sa.create_engine(mariadb.create_schema("legacy"))
    legacy_database.fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def env(mariadb, tmp_path):
    """Settings of the service that replaces it."""
    return service.environment(
        tmp_path,
        AWS_RDS_HOST="127.0.0.1",
        AWS_RDS_PORT=mariadb.port,
        AWS_RDS_DBNAME="replacing",
        AWS_RDS_USERNAME=USER,
        AWS_RDS_PASSWORD=PASSWORD,
    )


def run(env, *arguments):
    ran = service.run("import", *arguments, env=env)
    assert ran.returncode == 0, ran.stderr.decode()
    said = ran.stdout.decode()
    counts = {
        name.strip(): int(number) for name, number in re.findall(r"^([a-z ]+)  (\d+)$", said, re.MULTILINE)
    }
    return said, counts


def scalar(mariadb, statement):
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_an_import_that_is_killed_goes_on_and_its_jobs_are_listed(legacy, env, mariadb):
    # Given a dry run, which says what an import would do, and writes nothing
    _said, planned = run(env, *SEOUL, "--dry-run")
    assert planned["jobs"] == KEPT + USUAL
    with pytest.raises(pymysql.err.ProgrammingError):
        scalar(mariadb, "SELECT count(*) FROM replacing.jobs")
    # And an import that is killed while another transaction keeps it from its last batch
    target = create_engine(legacy.url.set(database="replacing"))
    SqlSchema(target).upgrade()
    with target.connect() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        last = JobId(UUID(job_id(1_000 + USUAL - 1)))
        job, _events = Job.submit(last, the_project(1), a_spec(), datetime.now(UTC))
        connection.execute(sa.insert(jobs), job_values(job))
        killed = service.start("import", *SEOUL, env=env)
        while not killed.stdout.readline().startswith(b"jobs: 400 of"):
            assert killed.poll() is None
        killed.kill()
        killed.communicate()
        connection.rollback()
    target.dispose()
    before = scalar(mariadb, "SELECT count(*) FROM replacing.jobs")
    assert 0 < before <= 400
    # When it is run again
    said, counts = run(env, *SEOUL)
    assert (counts["jobs present"], counts["jobs"]) == (before, KEPT + USUAL - before)
    # Then everything is there once, and every row that is not is told with its reason
    assert scalar(mariadb, "SELECT count(*) FROM replacing.jobs") == KEPT + USUAL
    assert scalar(mariadb, "SELECT count(*) FROM replacing.executions") == KEPT + USUAL - 2
    for word in SKIPPED:
        assert re.search(rf"^job .*: skipped: .*{word}", said, re.MULTILINE), (word, said)
    assert "executions: skipped: 1 row without a job" in said
    assert "projects: these columns are not imported: owner" in said
    assert "executions: no index on job_id; with one, this would be faster" in said
    assert "jobs: no index" not in said
    # And the service shows it
    with service.served(env) as server, server.http as http:
        assert_shown(http)


def assert_shown(http: httpx.Client):
    projects = {one["project_id"]: one["project"] for one in http.get("/api/projects").json()}
    assert projects == {1: "demo", 2: "결제", 3: "project-2024", 4: "a-b", 7: "demo (7)"}
    listed = {
        job["job_id"]: job
        for job in http.get("/api/jobs?limit=1000&created_before=2024-05-01T00:05:00Z").json()
    }
    odd = [listed.get(job_id(number)) for number in range(len(ODD))]
    assert [job and job["status"] for job in odd] == [
        *("PENDING", "FAILED", "SUCCESS", "FAILED", "CANCELLED", "TIMEOUT"),
        *("SUCCESS", "SUCCESS", "SUCCESS", None, None, None, None, None, None),
    ]
    assert odd[1]["data"]["reason"] == "worker_lost"
    assert odd[2]["data"]["language"] == "node"
    assert odd[3]["data"]["language"] == "cobol"
    assert [job["project"] for job in odd[5:8]] == ["결제", "project-2024", "demo (7)"]
    assert odd[8]["data"]["started_at"] <= odd[8]["data"]["completed_at"]
    usual = http.get("/api/projects/1/jobs?limit=1").json()[0]
    number = 1_000 + USUAL - 1
    assert usual["job_id"] == job_id(number)
    assert usual["code_key"] == f"demo/{job_id(number)}.py"
    assert usual["log_key"] == f"logs/{number}.json"
    assert usual["data"]["result"]["stdout"] == f"안녕 {number}\n"
    assert usual["data"]["result"]["resource"] == {
        "cpu_percent": 1.5,
        "memory_mb": 20.25,
        "execution_time_ms": 12.0,
        "cpu_time_ms": None,
    }
    # 09:00 in Seoul and its seconds
    created_at = datetime.fromisoformat(usual["data"]["created_at"])
    assert created_at.isoformat() == f"2024-05-01T00:{number // 60:02}:{number % 60:02}+00:00"


def import_here(target, legacy=None, tell=lambda *_said: None, **what):
    """Import in this process."""
    what = {"source": str(legacy and legacy.url), "zone": UTC, "dry_run": False, "tell": tell, **what}
    return LegacyImport(target, STANDARD_LIMITS, datetime.now(UTC), **what).run()


# What other deployments call the same: results with the jobs, or results of several attempts apart.
OTHER_SCHEMAS = {
    "results with the jobs": """
        CREATE TABLE project (id INTEGER, name TEXT);
        INSERT INTO project VALUES (5, 'demo');
        CREATE TABLE job (
            id TEXT, project_name TEXT, s3_key TEXT, lang TEXT, state TEXT, createdAt TEXT, finishedAt TEXT,
            stdout BLOB, exit_code TEXT, memory_usage TEXT, logKey TEXT
        );
        INSERT INTO job VALUES (
            '00000000000040008000000000000001', 'demo', 'demo/1.py', 'Python3', 'error',
            '2024-05-01T09:00:00Z', '0000-00-00 00:00:00', x'ff68', '3', '12.5', 'logs/1.json'
        )""",
    "results of several attempts, and languages by the files' extensions": """
        CREATE TABLE projects (project_id INTEGER, project_name TEXT);
        INSERT INTO projects VALUES (5, 'demo');
        CREATE TABLE jobs (
            job_id TEXT, project_id TEXT, code_key TEXT, status TEXT, created TEXT
        );
        INSERT INTO jobs VALUES (
            '00000000-0000-4000-8000-000000000001', '5', 'demo/1.py', 'FAILED', '2024-05-01 09:00:00'
        );
        CREATE TABLE executions (execution_id INTEGER, job_id TEXT, started_at TEXT);
        INSERT INTO executions VALUES
            (2, '00000000-0000-4000-8000-000000000001', '2024-05-01 09:00:02'),
            (1, '00000000-0000-4000-8000-000000000001', '2024-05-01 09:00:01');
        CREATE TABLE results (
            execution_id INTEGER, job_id TEXT, output TEXT, return_code INTEGER, memory_mb REAL, log_key TEXT
        );
        INSERT INTO results VALUES
            (2, '00000000-0000-4000-8000-000000000001', '\ufffdh', 3, 12.5, 'logs/1.json')""",
}


@pytest.mark.parametrize("script", OTHER_SCHEMAS.values(), ids=OTHER_SCHEMAS)
def test_tables_and_columns_are_found_by_several_names(tmp_path, script):
    target = create_engine(f"sqlite:///{tmp_path / 'replacing.db'}")
    legacy = sa.create_engine(f"sqlite:///{tmp_path / 'legacy.db'}")
    with legacy.begin() as connection:
        for statement in script.split(";"):
            connection.exec_driver_sql(statement)

    counts = import_here(target, legacy)

    details = SqlJobQueries(target).details(ANONYMOUS, JobId(UUID(job_id(1))))
    result = details.executions[-1].result
    assert (counts.jobs, counts.skipped) == (1, 0)
    assert (details.project.value, details.job.project_id) == ("demo", 5)
    assert details.job.spec.language.name == "python"
    assert details.job.created_at == datetime(2024, 5, 1, 9, tzinfo=UTC)
    assert (result.status, result.reason, result.exit_code) == ("FAILED", "nonzero_exit", 3)
    assert (result.stdout.text, result.resource.memory_mb, result.log_key.value) == (
        "\ufffdh",
        12.5,
        "logs/1.json",
    )
    assert details.job.current_execution_id == details.executions[-1].id
    target.dispose()
    legacy.dispose()


def test_what_has_gone_on_in_the_replaced_service_is_brought_by_another_import(tmp_path):
    # Given an import of a job that is running over there
    target = create_engine(f"sqlite:///{tmp_path / 'replacing.db'}")
    legacy = sa.create_engine(f"sqlite:///{tmp_path / 'legacy.db'}")
    legacy_database.fill(legacy, usual=1)

    assert import_here(target, legacy).jobs == KEPT + 1
    # When it has ended, and the database is imported once more
    with legacy.begin() as connection:
        ended = "UPDATE jobs SET status = 'SUCCESS', completed_at = '2024-05-02' WHERE status = 'RUNNING'"
        connection.exec_driver_sql(ended)
    counts = import_here(target, legacy)
    # Then this one is brought anew, and nothing else
    assert (counts.jobs_updated, counts.jobs_present) == (1, KEPT)
    with target.connect() as connection:
        row = connection.execute(sa.select(jobs.c.status).where(jobs.c.job_id == UUID(job_id(1)))).one()
    assert row == ("SUCCESS",)
    target.dispose()
    legacy.dispose()


JOBS = """
    CREATE TABLE projects (project_id INTEGER PRIMARY KEY, project VARCHAR(255));
    INSERT INTO projects VALUES (1, 'demo');
    CREATE TABLE jobs (
        job_id VARCHAR(64) PRIMARY KEY, project_id INTEGER, code_key VARCHAR(512), status VARCHAR(20),
        created_at VARCHAR(64), execution_time_ms VARCHAR(64)
    );
    INSERT INTO jobs VALUES
        ('0000000A-0000-4000-8000-000000000001 ', 1, 'demo/1.py', 'SUCCESS', '2024-05-01', '1e300'),
        ('00000000-0000-4000-8000-000000000002', 1, 'demo/2.py', 'SUCCESS', '2024-05-02', '12')"""
ATTEMPTS = """;
    CREATE TABLE executions (execution_id VARCHAR(64), job_id VARCHAR(64), exit_code INTEGER, stdout TEXT);
    INSERT INTO executions VALUES
        ('00000000-0000-4000-8000-00000000000e', '0000000a-0000-4000-8000-000000000001', 0, 'one'),
        ('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002', 0, 'two')"""

BEFORE, AFTER = datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
HOLDER = "SELECT is_used_lock('service_server_import')"
LAST_STATEMENT = (
    "SELECT QUERY_ID FROM information_schema.processlist WHERE ID = is_used_lock('service_server_import')"
)


@pytest.fixture
def target(mariadb):
    """An empty database on the server."""
    engine = create_engine(mariadb.create_schema("replacing"))
    yield engine
    engine.dispose()


@pytest.fixture
def source(mariadb):
    """Fills another database on the server, and returns its name."""

    def fill(script):
        engine = sa.create_engine(mariadb.create_schema("legacy"))
        with engine.begin() as connection:
            for statement in script.split(";"):
                connection.exec_driver_sql(statement)
        engine.dispose()
        return "legacy"

    return fill


def imported_results(target):
    """Return the result of each imported job."""
    with target.connect() as connection:
        ids = connection.execute(sa.select(jobs.c.job_id).order_by(jobs.c.created_at)).scalars().all()
    queries = SqlJobQueries(target)
    return [queries.details(ANONYMOUS, each).executions[-1].result for each in ids]


def test_attempts_are_found_as_the_database_compares_their_ids(target, source):
    import_here(target, source=source(JOBS + ATTEMPTS))

    assert [(each.exit_code, each.stdout.text) for each in imported_results(target)] == [
        (0, "one"),
        (0, "two"),
    ]


def test_attempts_of_several_jobs_with_the_same_id_are_all_imported(target, source):
    assert import_here(target, source=source(JOBS + ATTEMPTS)).executions == 2

    # And another import changes nothing
    counts = import_here(target, source="legacy")
    assert (counts.jobs, counts.jobs_present) == (0, 2)


def test_a_figure_that_no_column_holds_counts_as_unknown(target, source):
    import_here(target, source=source(JOBS))

    assert [each.resource and each.resource.execution_time_ms for each in imported_results(target)] == [
        None,
        12,
    ]


def test_projects_of_other_tenants_and_other_projects_stay_as_they_are(target, source):
    # Given a project of another tenant with the id and the name of an imported one, and an active one
    SqlSchema(target).upgrade()
    with target.begin() as connection:
        shared = {"status": "ACTIVE", "created_at": BEFORE, "active_at": AFTER}
        others = [(1, "acme", "demo", "acme/demo"), (5, "default", "other", "other")]
        names = ("project_id", "tenant", "name", "live_name")
        rows = [{**shared, **dict(zip(names, other, strict=True))} for other in others]
        connection.execute(sa.insert(projects), rows)
        job, _events = Job.submit(JobId(UUID(job_id(7))), the_project(5), a_spec(), datetime.now(UTC))
        connection.execute(sa.insert(jobs), {**job_values(job), "created_at": BEFORE})
    # When jobs are imported
    import_here(target, source=source(JOBS))
    # Then they belong to a project of the same tenant, and the other projects are as active as before
    with target.connect() as connection:
        found = connection.execute(sa.select(projects).order_by(projects.c.project_id)).all()
        of_jobs = connection.execute(sa.select(jobs.c.project_id).distinct()).scalars()
        assert set(of_jobs) == {5, found[-1].project_id}
    assert [(row.tenant, row.name, row.active_at.year) for row in found] == [
        ("acme", "demo", 2026),
        ("default", "other", 2026),
        ("default", "demo", 2024),
    ]


def test_tables_whose_foreign_keys_have_names_of_new_ones_can_be_set_aside(server):
    target = create_engine(server.create_schema("replacing"))
    with target.begin() as connection:
        for statement in JOBS.split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "ALTER TABLE jobs ADD CONSTRAINT FK_jobs_project_id FOREIGN KEY (project_id)"
            " REFERENCES projects (project_id)"
        )
    tool = LegacyImport(
        target, STANDARD_LIMITS, AFTER, source=None, zone=UTC, dry_run=False, tell=lambda *_said: None
    )

    assert tool.set_aside() == ["legacy_jobs", "legacy_projects"]

    assert tool.run().jobs == 2
    assert SqlSchema(target).differences() == []
    target.dispose()


@pytest.fixture
def on_statement():
    """Calls a function before or after each statement that contains a text, on any engine."""
    listening = []

    def listen(event, words, function):
        def called(_connection, _cursor, statement, *_more):
            if words in statement:
                function()

        sa.event.listen(sa.Engine, event, called)
        listening.append((event, called))

    yield listen
    for event, called in listening:
        sa.event.remove(sa.Engine, event, called)


def test_the_projects_of_the_service_are_read_once_per_batch(target, source, on_statement):
    more = "; INSERT INTO projects SELECT seq, concat('demo ', seq) FROM seq_2_to_49"
    name, reads = source(JOBS + more), []
    on_statement("before_cursor_execute", "projects.live_name \nFROM projects", lambda: reads.append(1))

    counts = import_here(target, source=name)

    assert (counts.projects, len(reads)) == (49, 1)


@pytest.mark.parametrize("words", ["INSERT INTO executions", "UPDATE projects"])
def test_a_deadlock_with_the_service_does_not_end_the_import(target, source, on_statement, words):
    SqlSchema(target).upgrade()
    name, deadlocks = source(JOBS + ATTEMPTS), []

    def deadlock():
        if not deadlocks:
            deadlocks.append(pymysql.err.OperationalError(1213, "Deadlock found"))
            raise sa.exc.OperationalError("", {}, deadlocks[0])

    on_statement("before_cursor_execute", words, deadlock)

    counts = import_here(target, source=name)

    assert (len(deadlocks), counts.jobs, counts.executions) == (1, 2, 2)
    assert [each.stdout.text for each in imported_results(target)] == ["one", "two"]


def test_a_job_is_not_executed_while_the_import_replaces_it(target, legacy, on_statement):
    # Given an imported job that has not run yet, and that has run in the replaced service since
    import_here(target, legacy, source="legacy")
    with legacy.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET status = 'SUCCESS' WHERE status = 'PENDING'")
    refusals = []
    other = create_engine(target.url)

    def execute():
        with other.connect() as connection:
            connection.exec_driver_sql("SET innodb_lock_wait_timeout = 0")
            try:
                connection.exec_driver_sql("UPDATE jobs SET status = 'RUNNING' WHERE status = 'PENDING'")
                connection.commit()
            except sa.exc.OperationalError as error:
                refusals.append(error.orig.args[0])

    # When it is to be executed between its reading and its replacement
    on_statement("after_cursor_execute", "executions.claimed_by \nFROM jobs", execute)
    counts = import_here(target, legacy, source="legacy")
    # Then the execution waits for the import
    other.dispose()
    assert (set(refusals), counts.jobs_updated) == ({1205}, 1)


def test_the_connection_that_holds_the_lock_of_an_import_is_not_idle(target, legacy, mariadb):
    statements = []

    def note_statement(_about, said):
        if " of " in str(said):
            statements.append(scalar(mariadb, LAST_STATEMENT))

    import_here(target, legacy, source="legacy", tell=note_statement)

    assert len(statements) == len(set(statements)) > 1


def test_an_import_that_has_lost_its_lock_ends(target, legacy, mariadb):
    def lose_lock(_about, said):
        if " of " in str(said) and (holder := scalar(mariadb, HOLDER)) is not None:
            with mariadb.connect() as connection, connection.cursor() as cursor:
                cursor.execute(f"KILL {holder}")

    with pytest.raises(DependencyUnavailable):
        import_here(target, legacy, source="legacy", tell=lose_lock)

    assert scalar(mariadb, "SELECT count(*) FROM replacing.jobs") < KEPT + USUAL


@pytest.mark.usefixtures("legacy")
def test_tables_in_the_way_are_refused_with_the_way_out_and_can_be_set_aside(env):
    # Given the settings of the existing deployment: its own database
    env = {**env, "AWS_RDS_DBNAME": "legacy"}
    for command in (["migrate", "check"], ["serve", "--port", "0"], ["import"]):
        refused = service.run(*command, env=env)
        assert refused.returncode == 1
        assert re.search(rb"service-server import|--set-aside", refused.stderr), refused
    # When they are set aside
    said, counts = run(env, "--set-aside")
    # Then they are renamed, and imported from there
    assert "renamed to: legacy_jobs" in said
    assert (counts["jobs"], counts["projects"]) == (KEPT + USUAL, len(PROJECTS))


def test_without_tables_of_the_replaced_service_there_is_nothing_to_import(env, mariadb):
    mariadb.create_schema("replacing")
    mariadb.create_schema("nothing")

    refused = service.run("import", "--from", "nothing", env=env)

    assert refused.returncode == 1
    assert b"no tables of the replaced service" in refused.stderr


def test_a_name_without_a_server_is_refused_with_the_setting_that_is_missing(tmp_path):
    refused = service.run("import", "--from", "legacy", env=service.environment(tmp_path))

    assert refused.returncode == 1
    assert b"AWS_RDS_HOST is not set" in refused.stderr


def test_a_file_that_does_not_exist_is_not_made(tmp_path):
    missing = tmp_path / "missing.db"

    refused = service.run("import", "--from", f"sqlite:///{missing}", env=service.environment(tmp_path))

    assert refused.returncode == 3
    assert b"cannot be opened" in refused.stderr
    assert not missing.exists()


def test_a_project_whose_id_would_leave_none_for_new_ones_gets_another(tmp_path):
    target = create_engine(f"sqlite:///{tmp_path / 'replacing.db'}")
    legacy = sa.create_engine(f"sqlite:///{tmp_path / 'legacy.db'}")
    with legacy.begin() as connection:
        for statement in OTHER_SCHEMAS["results with the jobs"].split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("UPDATE project SET id = 2147483647")
        connection.exec_driver_sql("UPDATE job SET project_name = '2147483647'")
    told = []

    counts = [import_here(target, legacy, tell=lambda *said: told.append(" ".join(map(str, said))))]
    counts.append(import_here(target, legacy))

    details = SqlJobQueries(target).details(ANONYMOUS, JobId(UUID(job_id(1))))
    assert (details.project.value, details.job.project_id) == ("demo", 1)
    assert [(each.projects, each.jobs, each.skipped) for each in counts] == [(1, 1, 0), (0, 0, 0)]
    assert any("its id is above 1073741824" in said for said in told)
    target.dispose()
    legacy.dispose()


@pytest.mark.parametrize("number", [5, 2147483647])
def test_projects_of_the_same_name_are_kept_separate(tmp_path, number):
    # Given a project here, and two projects of the replaced service that have its name
    target = create_engine(f"sqlite:///{tmp_path / 'replacing.db'}")
    legacy = sa.create_engine(f"sqlite:///{tmp_path / 'legacy.db'}")
    SqlSchema(target).upgrade()
    with target.begin() as connection:
        here = {"name": "demo", "live_name": "demo", "status": "ACTIVE", "created_at": BEFORE}
        names = {"name": "other", "live_name": "other", "project_id": 5}
        connection.execute(sa.insert(projects), [{**here, "project_id": 3}, {**here, **names}])
    with legacy.begin() as connection:
        for statement in OTHER_SCHEMAS["results with the jobs"].split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("ALTER TABLE project ADD COLUMN created_at TEXT")
        connection.exec_driver_sql("UPDATE project SET created_at = '2024-05-01'")
        connection.exec_driver_sql("UPDATE project SET id = ?", (number,))
        connection.exec_driver_sql("INSERT INTO project VALUES (4, 'demo', '2024-05-02')")
        connection.exec_driver_sql("UPDATE job SET project_name = ?", (str(number),))

    # When they are imported twice
    counts = [import_here(target, legacy) for _ in range(2)]

    # Then each is a project of its own, and the second import finds it
    project = SqlJobQueries(target).details(ANONYMOUS, JobId(UUID(job_id(1)))).project
    with target.connect() as connection:
        found = connection.execute(sa.select(projects.c.name)).scalars().all()
    assert sorted(found) == sorted(["demo", "demo (4)", f"demo ({number})", "other"])
    assert project.value == f"demo ({number})"
    assert [(each.projects, each.jobs) for each in counts] == [(2, 1), (0, 0)]
    target.dispose()
    legacy.dispose()


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ({5: "other"}, {"demo": 2, "demo (5)": 0}),
        ({3: "demo", 8: "demo (5)"}, {"demo (5, 2)": 2, "demo (5) (9)": 0}),
    ],
    ids=["id taken", "names taken"],
)
def test_a_project_named_like_a_renamed_one_is_another_project(tmp_path, here, expected):
    # Given projects here, and two projects of the replaced service, of which one has a job
    target = create_engine(f"sqlite:///{tmp_path / 'replacing.db'}")
    legacy = sa.create_engine(f"sqlite:///{tmp_path / 'legacy.db'}")
    SqlSchema(target).upgrade()
    with target.begin() as connection:
        common = {"status": "ACTIVE", "created_at": BEFORE}
        rows = [{"project_id": key, "name": name, "live_name": name} | common for key, name in here.items()]
        connection.execute(sa.insert(projects), rows)
    with legacy.begin() as connection:
        for statement in OTHER_SCHEMAS["results with the jobs"].split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("ALTER TABLE project ADD COLUMN created_at TEXT")
        connection.exec_driver_sql("UPDATE project SET id = 5, created_at = '2024-05-01'")
        connection.exec_driver_sql("INSERT INTO project VALUES (9, 'demo (5)', '2024-05-02')")
        connection.exec_driver_sql("UPDATE job SET project_name = '5'")

    # When they are imported, and imported again with another job of the same project
    counts = [import_here(target, legacy)]
    with legacy.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE another AS SELECT * FROM job")
        connection.exec_driver_sql("UPDATE another SET id = '00000000000040008000000000000002'")
        connection.exec_driver_sql("INSERT INTO job SELECT * FROM another")
        connection.exec_driver_sql("DROP TABLE another")
    counts.append(import_here(target, legacy))

    # Then each is a project of its own, and both jobs are in the same one
    count = sa.select(projects.c.name, sa.func.count(jobs.c.job_id)).outerjoin(jobs).group_by(projects.c.name)
    with target.connect() as connection:
        found = {name: number for name, number in connection.execute(count) if name not in here.values()}
    assert found == expected
    assert [(each.projects, each.jobs) for each in counts] == [(2, 1), (0, 1)]
    target.dispose()
    legacy.dispose()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "project-7"),
        ("\x07\n", "project-7"),
        (" demo ", "demo"),
        ("2024", "project-2024"),
        ("..", "project-.."),
    ],
)
def test_a_project_s_name_is_kept_as_far_as_it_can_be(name, expected):
    assert suitable_name(LegacyProject(7, name, None, None)).value == expected
