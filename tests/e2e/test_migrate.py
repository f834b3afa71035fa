import sqlite3
from contextlib import closing

from tests.support import service


def test_the_schema_goes_up_and_down_and_is_checked(tmp_path):
    env = service.environment(tmp_path)

    def migrate(*arguments):
        ran = service.run("migrate", *arguments, env=env)
        return ran.returncode, ran.stdout.decode().strip()

    assert migrate("check")[0] == 1
    assert migrate("up")[0] == 0
    assert migrate("check") == (0, "the schema is up to date")
    assert migrate("down", "base") == (0, "the schema is at base")
    assert migrate("current") == (0, "base")


def test_a_revision_that_does_not_exist_is_one_sentence(tmp_path):
    refused = service.run("migrate", "down", "nonsense", env=service.environment(tmp_path))
    assert refused.returncode == 3
    assert refused.stderr.count(b"\n") == 1


def test_a_schema_of_a_newer_version_is_named_as_that(tmp_path):
    env = service.environment(tmp_path)
    service.run("migrate", "up", env=env)
    with closing(sqlite3.connect(tmp_path / "service-server.sqlite3")) as database, database:
        database.execute("UPDATE service_server_version SET version_num = '9999'")

    checked = service.run("migrate", "check", env=env)
    assert checked.returncode == 1
    assert b"newer than this version" in checked.stderr
    assert b"migrate up" not in checked.stderr
    raised = service.run("migrate", "up", env=env)
    assert raised.stdout.decode().strip() == "the schema is at 9999, which is newer than this version"
    assert service.run("jobs", env=env).returncode == 0
