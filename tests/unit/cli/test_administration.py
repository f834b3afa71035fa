"""The commands about keys and tenants, on an embedded database."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from application.errors import ApplicationError, Conflict, NotFound
from domain.api_key import KeyText
from domain.caller import Scope
from domain.errors import DomainError, InvalidValue
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.main import service_server
from entrypoints.container import build_container
from tests.support.callers import a_caller
from tests.support.databases import make_tables
from tests.support.samples import a_job
from tests.support.settings import settings_of

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The level of this process's loggers is for later tests as well.
    monkeypatch.setattr("entrypoints.cli.administration.configure_logging", lambda _level: None)
    monkeypatch.setenv("SERVICE_SERVER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SERVICE_SERVER_SHARED_TENANTS", "allow")
    return tmp_path / "data"


@pytest.fixture
def run(data_dir):
    """Run a command; return its output, or raise its error."""
    data_dir.mkdir()
    make_tables(data_dir)

    def run(*arguments):
        ran = CliRunner().invoke(service_server, arguments)
        if isinstance(ran.exception, Failure | DomainError | ApplicationError):
            raise ran.exception
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    return run


@pytest.fixture
def printed(run):
    """Run a command with --json; return what it prints."""
    return lambda *arguments: json.loads(run(*arguments, "--json"))


def test_setup_prints_the_first_administrators_key_once(printed, run, data_dir):
    first = printed("setup")

    assert first["scopes"] == [Scope.ADMIN]
    assert first["created_by"].startswith("command:")
    services = build_container(settings_of(data_dir=data_dir)).services()
    stored = services.key_reader.all(a_caller("default"))
    assert [str(view.key.id) for view in stored] == [first["key_id"]]
    assert stored[0].key.digest == KeyText(first["key"]).digest
    assert not any(first["key"].encode() in path.read_bytes() for path in data_dir.rglob("*.sqlite3*"))
    with pytest.raises(Failure, match="service-server keys create") as refused:
        run("setup")
    assert refused.value.exit_code == ExitCode.FAILED


def test_setup_prints_fields_for_people(run):
    fields = dict(line.split(maxsplit=1) for line in run("setup").splitlines())

    assert KeyText(fields["key"])
    assert fields["scopes"] == "admin"


def test_a_key_is_created_listed_rotated_and_revoked(printed, run):
    made = printed("keys", "create", "--name", "ci", "--scope", "jobs:read", "--scope", "jobs:write")
    assert (made["name"], made["tenant"], made["status"]) == ("ci", "default", "ACTIVE")
    assert made["scopes"] == ["jobs:read", "jobs:write"]

    successor = printed("keys", "rotate", made["key_id"], "--overlap", "1h")
    listed = printed("keys", "list")
    assert [key["key_id"] for key in listed] == [made["key_id"], successor["key_id"]]
    assert all("key" not in key for key in listed)
    left = datetime.fromisoformat(listed[0]["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)

    assert run("keys", "revoke", successor["key_id"]) == f"revoked {successor['key_id']}\n"
    assert printed("keys", "revoke", successor["key_id"])["status"] == "REVOKED"
    table = [line.split("\t") for line in run("keys", "list", "--header").splitlines()]
    assert table[0][:3] == ["KEY ID", "NAME", "SCOPES"]
    assert [row[4] for row in table[1:]] == ["ACTIVE", "REVOKED"]


@pytest.mark.parametrize("expires", ["90d", "2100-01-31T12:00:00Z", "2100-01-31T12:00:00+09:00"])
def test_a_key_may_expire(printed, expires):
    made = printed("keys", "create", "--name", "x", "--scope", "admin", "--expires", expires)

    assert datetime.fromisoformat(made["expires_at"]) > datetime.now(UTC) + timedelta(days=89)


def test_the_retention_of_a_tenant_is_set_and_shown(printed, run):
    printed("tenants", "create", "acme")
    assert run("tenants", "retention", "acme").split() == ["policy", "none", "in_force", "none"]

    made = printed("tenants", "retention", "acme", "jobs=90", "logs=0.5", "pending=forever")

    assert made["policy"] == {"jobs_days": 90, "logs_days": 0.5, "pending_days": "forever"}
    assert printed("tenants", "retention", "acme") == made
    assert "jobs=90 logs=0.5 pending=forever" in run("tenants", "retention", "acme")
    assert printed("tenants", "retention", "acme", "--none")["policy"]["jobs_days"] is None


@pytest.mark.parametrize("figure", ["jobs", "jobs=", "jobs=x", "days=1", "jobs=0", "jobs=nan", "jobs=-1"])
def test_a_figure_of_retention_that_is_no_number_of_days_is_refused(run, figure):
    with pytest.raises(Failure, match=r"days") as refused:
        run("tenants", "retention", "default", figure)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_purge_names_what_is_due_and_then_removes_it(printed, run, monkeypatch, data_dir):
    # Given an uploaded job that was never executed, and a tenant that keeps none for long
    assert run("purge", "--dry-run") == "Nothing to delete.\n"
    container = build_container(settings_of(data_dir=data_dir))
    job = a_job(container.unit_of_work(), code_bytes=8)
    container.code_store().put(job.spec.code_key, b"print(1)", "text/plain")
    assert run("purge", "--dry-run") == "Nothing to delete.\n"
    monkeypatch.setenv("SERVICE_SERVER_KEEP_PENDING_DAYS", "1")

    due = printed("purge", "--dry-run")
    done = printed("purge")

    assert due == {"bytes": 8, "jobs": 1, "objects": 1}
    assert done == {"bytes": 8, "jobs": 1}
    assert printed("purge") == {}
    assert not list(data_dir.rglob("main.py"))


def test_keys_of_a_tenant_are_named_with_it(printed, run):
    printed("tenants", "create", "acme")
    made = printed("keys", "create", "--name", "x", "--scope", "keys:write", "--tenant", "acme")

    assert printed("keys", "list") == []
    assert [key["key_id"] for key in printed("keys", "list", "--tenant", "acme")] == [made["key_id"]]
    for command in ("rotate", "revoke"):
        with pytest.raises(
            Failure, match="does not exist in the tenant 'default'; --tenant names"
        ) as refused:
            run("keys", command, made["key_id"])
        assert refused.value.exit_code == ExitCode.FAILED
    assert printed("keys", "revoke", made["key_id"], "--tenant", "acme")["status"] == "REVOKED"


def test_the_last_administrators_key_takes_force(printed, run):
    key_id = printed("setup")["key_id"]

    with pytest.raises(Conflict, match="force"):
        run("keys", "revoke", key_id)
    assert run("keys", "revoke", key_id, "--force") == f"revoked {key_id}\n"


def test_a_tenant_is_created_changed_and_deleted(printed, run):
    made = printed("tenants", "create", "acme", "running=3", "timeout_ms=5000")
    assert (made["tenant"], made["status"]) == ("acme", "ACTIVE")
    assert made["quota"] == {"running": 3, "timeout_ms": 5000}
    assert printed("tenants", "show", "acme") == made

    assert printed("tenants", "suspend", "acme")["status"] == "SUSPENDED"
    assert printed("tenants", "resume", "acme")["status"] == "ACTIVE"
    assert printed("tenants", "quota", "acme", "waiting=7")["quota"] == {"waiting": 7}
    assert printed("tenants", "quota", "acme")["quota"] == {"waiting": 7}
    assert printed("tenants", "quota", "acme", "--unlimited")["quota"] == {}

    assert printed("tenants", "delete", "acme")["status"] == "DELETED"
    assert [tenant["tenant"] for tenant in printed("tenants", "list")] == ["acme", "default"]
    with pytest.raises(Conflict, match="names are never reused"):
        run("tenants", "create", "acme")
    rows = [line.split("\t") for line in run("tenants", "list").splitlines()]
    assert [row[:2] for row in rows] == [["acme", "DELETED"], ["default", "ACTIVE"]]


@pytest.mark.parametrize(
    "figures",
    [["nothing=1"], ["running"], ["running=-1"], ["running=x"], ["running=1", "running=2"], ["running=٣"]],
)
def test_a_figure_has_a_known_name_and_a_number(run, figures):
    with pytest.raises(Failure, match="FIGURE=NUMBER") as refused:
        run("tenants", "create", "acme", *figures)
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("figure", [f"running={2**63}", f"running={10**30}", "memory_mb=1"])
def test_a_figure_that_breaks_its_rule_is_refused(run, figure):
    with pytest.raises(InvalidValue):
        run("tenants", "create", "acme", figure)


@pytest.mark.parametrize(
    "command",
    [
        ["keys", "rotate", UNKNOWN],
        ["keys", "revoke", UNKNOWN],
        ["keys", "list", "--tenant", "unknown"],
        ["keys", "create", "--name", "x", "--scope", "admin", "--tenant", "unknown"],
        ["keys", "create", "--name", "x", "--scope", "jobs:read", "--project", "unknown"],
        *(["tenants", name, "unknown"] for name in ("show", "suspend", "resume", "delete", "quota")),
    ],
)
def test_what_is_not_there_is_said(run, command):
    with pytest.raises((NotFound, Failure), match="does not exist"):
        run(*command)


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create", "--name", "x"],
        ["keys", "create", "--scope", "admin"],
        ["keys", "create", "--name", "x", "--scope", "everything"],
        ["keys", "create", "--name", "x", "--scope", "admin", "--expires", "tomorrow"],
        ["keys", "create", "--name", "x", "--scope", "admin", "--expires", "2100-01-31T12:00:00"],
        ["keys", "rotate", UNKNOWN, "--overlap", "1"],
        ["tenants", "create"],
    ],
)
def test_a_command_that_is_wrong_opens_no_database(data_dir, arguments):
    ran = CliRunner().invoke(service_server, arguments)

    assert ran.exit_code == ExitCode.USAGE
    assert not data_dir.exists()


@pytest.mark.parametrize("command", [["setup"], ["keys", "create"], ["tenants", "quota"]])
def test_help_opens_no_database(data_dir, command):
    assert CliRunner().invoke(service_server, [*command, "--help"]).exit_code == 0
    assert not data_dir.exists()


def test_a_second_tenant_is_refused_where_programs_are_not_isolated(printed, monkeypatch):
    monkeypatch.setenv("SERVICE_SERVER_SANDBOX", "off")
    monkeypatch.setenv("SERVICE_SERVER_SHARED_TENANTS", "refuse")
    with pytest.raises(Conflict, match="SERVICE_SERVER_SHARED_TENANTS=allow"):
        printed("tenants", "create", "acme")

    printed("tenants", "suspend", "default")
    assert printed("tenants", "create", "acme")["status"] == "ACTIVE"
    with pytest.raises(Conflict, match="'default' cannot be active beside 'acme'"):
        printed("tenants", "resume", "default")
