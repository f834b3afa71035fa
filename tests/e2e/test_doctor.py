import json

import pytest

from tests.support import service


def test_a_machine_on_which_all_is_well_has_nothing_missing(tmp_path):
    env = service.environment(tmp_path, AWS_SECRET_ACCESS_KEY="hunter2")
    examined = service.run("doctor", "--json", env=env)
    report = json.loads(examined.stdout)
    settings = {setting["name"]: setting for setting in report["settings"]}
    assert (examined.returncode, report["missing"]) == (0, [])
    assert all(part["healthy"] for part in report["dependencies"])
    assert settings["AWS_SECRET_ACCESS_KEY"] == {
        "name": "AWS_SECRET_ACCESS_KEY",
        "value": "********",
        "is_set": True,
    }
    assert settings["SERVICE_SERVER_DATA_DIR"]["value"] == str(tmp_path)


def test_a_language_that_is_missing_says_how_to_get_it(tmp_path):
    examined = service.run("doctor", env=service.environment(tmp_path))
    said = examined.stdout.decode()
    unavailable = [line for line in said.splitlines() if line.split("\t")[1:2] == ["no"]]
    assert all("apt-get install" in line for line in unavailable)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"AWS_RDS_HOST": "127.0.0.1", "AWS_RDS_PORT": 1}, "the database is unavailable"),
        ({"EXECUTION_ENGINE_BASE_URL": "http://127.0.0.1:1"}, "engine"),
    ],
)
def test_what_no_program_can_run_without_is_missed(tmp_path, settings, sentence):
    examined = service.run("doctor", "--json", env=service.environment(tmp_path, **settings))
    assert examined.returncode == 1
    assert any(sentence in missing for missing in json.loads(examined.stdout)["missing"])


def test_a_server_s_health_is_asked_of_the_server(server, env):
    examined = service.run("doctor", "--json", "--server", server.url, env=env)
    report = json.loads(examined.stdout)
    assert examined.returncode == 0
    assert "settings" not in report
    assert {part["name"] for part in report["dependencies"]} >= {"database", "engine", "queue"}


def test_a_setting_that_breaks_its_rule_is_a_sentence(tmp_path):
    refused = service.run("doctor", env=service.environment(tmp_path, SERVER_PORT="eighty"))
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"service-server: SERVER_PORT: ")
