"""The commands about the audit log, on an embedded database."""

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from application.errors import ApplicationError
from domain.audit import CHAIN_START, ChainLink, EntryRow
from domain.errors import DomainError
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.main import service_server
from entrypoints.container import build_container
from tests.support.settings import settings_of


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The level of this process's loggers is for later tests as well.
    monkeypatch.setattr("entrypoints.cli.administration.configure_logging", lambda _level: None)
    monkeypatch.setenv("SERVICE_SERVER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def run(data_dir):  # noqa: ARG001 - sets the environment
    """Run a command; return its output, or raise its error."""

    def run(*arguments):
        ran = CliRunner().invoke(service_server, arguments)
        if isinstance(ran.exception, Failure | DomainError | ApplicationError):
            raise ran.exception
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    return run


@pytest.fixture
def ledger(run, data_dir):
    """Commands that an administrator has run, in the ledger."""
    for name in ("acme", "other"):
        run("tenants", "create", name)
    run("keys", "create", "--name", "a key", "--scope", "jobs:read", "--tenant", "acme")
    assert build_container(settings_of(data_dir=data_dir)).services().post_audit_entries() == 3


def tamper(data_dir, statement):
    (path,) = data_dir.glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_verify_prints_the_end_of_the_chain_which_can_be_noted(run, ledger):  # noqa: ARG001
    found = json.loads(run("audit", "verify", "--json"))

    assert (found["verified"], found["fault"]) == (3, None)
    assert found["end"] in run("audit", "verify", "--noted", found["end"])


def test_verify_fails_with_1_and_names_the_first_bad_entry(run, ledger, data_dir):  # noqa: ARG001
    tamper(data_dir, "UPDATE audit_ledger SET subject = 'x' WHERE sequence = 2")

    with pytest.raises(Failure, match="entry 2 was changed") as failed:
        run("audit", "verify")
    assert failed.value.exit_code == ExitCode.FAILED
    with pytest.raises(Failure, match=r"^$"):
        run("audit", "verify", "--json")


def test_a_noted_end_of_another_chain_is_found(run, ledger):  # noqa: ARG001
    with pytest.raises(Failure, match="entry 3"):
        run("audit", "verify", "--noted", f"3:{'0' * 64}")


def test_a_malformed_note_is_refused(data_dir):  # noqa: ARG001
    ran = CliRunner().invoke(service_server, ["audit", "verify", "--noted", "3"])

    assert ran.exit_code == ExitCode.USAGE
    assert "NUMBER:HASH" in ran.output


def test_an_export_has_all_that_the_chain_is_made_of(run, ledger):  # noqa: ARG001
    lines = [json.loads(line) for line in run("audit", "export").splitlines()]

    assert [line["act"] for line in lines] == ["tenant.create", "tenant.create", "key.create"]
    link = CHAIN_START
    for line in lines:
        link = link.next(EntryRow(*(line[name] for name in EntryRow._fields)))
        assert link == ChainLink(line["sequence"], line["hash"])


def test_an_export_of_a_tenant_and_from_an_entry_on(run, ledger):  # noqa: ARG001
    assert [json.loads(line)["sequence"] for line in run("audit", "export", "--after", "1").splitlines()] == [
        2,
        3,
    ]
    assert run("audit", "export", "--tenant", "nobody") == ""
