import json
import re
import shutil
import subprocess
import sys

import pytest

from domain.catalogue.language import Language
from domain.catalogue.text import text_of
from domain.language import LANGUAGES
from tests.support import service
from tests.support.ports import free_port

# The engine looks for programs where the system has them, whatever PATH says; this has it look elsewhere.
ELSEWHERE = """
import sys
from adapters.local_engine.sandbox import program
program.SYSTEM_PATH = sys.argv.pop(1)
from entrypoints.cli.main import main
main()
"""


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
    assert "SERVICE_SERVER_ALLOWED_HOSTS" in report["admitted"]["hosts"]
    assert "SERVICE_SERVER_CORS_ORIGINS" in report["admitted"]["origins"]


def test_the_kind_of_host_is_named(tmp_path):
    env = service.environment(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")
    examined = service.run("doctor", "--json", env=env)
    assert json.loads(examined.stdout)["host"] == "kubernetes"


@pytest.fixture(scope="module")
def with_python_alone(tmp_path_factory):
    """The report of a system that has Python and no other language."""
    directory = tmp_path_factory.mktemp("python_alone")
    system = directory / "bin"
    system.mkdir()
    (system / "python3").symlink_to(sys.executable)
    (system / "setpriv").symlink_to(shutil.which("setpriv"))
    return doctor_of_a_system_with(system, service.environment(directory, SERVICE_SERVER_SANDBOX="off"))


def test_a_language_that_is_missing_says_how_to_get_it(with_python_alone):
    languages = with_python_alone["languages"]
    available = [language["name"] for language in languages if language["available"]]
    hints = [language["unavailable_because"] for language in languages if not language["available"]]
    assert (available, len(hints)) == (["python"], len(LANGUAGES) - 1)
    assert all(re.search(r"install it with '(apt-get|npm) install .+'$", hint) for hint in hints)


@pytest.fixture(scope="module")
def with_nothing(tmp_path_factory):
    """The report of a system that has no program at all, and a service that needs no sandbox."""
    directory = tmp_path_factory.mktemp("nothing")
    return doctor_of_a_system_with(directory, service.environment(directory, SERVICE_SERVER_SANDBOX="off"))


def test_a_machine_on_which_no_program_can_be_started_says_what_is_missing(with_nothing):
    assert any("setpriv is not installed" in missing for missing in with_nothing["missing"])


def test_a_machine_without_the_sandbox_s_program_says_what_is_missing(tmp_path):
    env = service.environment(tmp_path, SERVICE_SERVER_SANDBOX="bubblewrap")
    report = doctor_of_a_system_with(tmp_path, env)
    assert any("bubblewrap is not installed" in missing for missing in report["missing"])


def doctor_of_a_system_with(directory, env):
    examined = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, directory, "doctor", "--json"],
        env=env,
        cwd=service.ROOT,
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    return json.loads(examined.stdout)


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


def test_a_server_that_cannot_be_reached_is_what_is_missing(env):
    examined = service.run("doctor", "--json", "--server", "http://127.0.0.1:1", env=env)
    assert examined.returncode == 1
    assert json.loads(examined.stdout)["missing"] == [
        "cannot reach http://127.0.0.1:1: connection refused; check the address, and that the server runs"
    ]


def test_nothing_is_listed_of_a_server_that_cannot_be_reached(env):
    examined = service.run("doctor", "--server", "http://127.0.0.1:1", env=env)
    version, _python, empty, *told = examined.stdout.decode().splitlines()
    assert (version.split()[0], empty) == ("service-server", "")
    assert told == [
        "cannot reach http://127.0.0.1:1: connection refused; check the address, and that the server runs"
    ]


def test_the_health_of_the_other_parts_is_told_while_the_database_is_away(tmp_path):
    away = {"AWS_RDS_HOST": "127.0.0.1", "AWS_RDS_PORT": free_port(), "AWS_RDS_DBNAME": "schema"}
    account = {"AWS_RDS_USERNAME": "user", "AWS_RDS_PASSWORD": "password"}
    env = service.environment(
        tmp_path, **away, **account, SERVICE_SERVER_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"
    )
    examined = service.run("doctor", "--json", env=env)
    report = json.loads(examined.stdout)
    healthy = {part["name"]: part["healthy"] for part in report["dependencies"]}
    assert examined.returncode == 1
    assert healthy.items() >= {"database": False, "queue": False, "code store": True}.items()
    for part in ("database", "queue"):
        assert any(f"the {part} is unavailable: " in missing for missing in report["missing"])
    assert b"\nqueue\tno\tthe queue is unavailable" in service.run("doctor", env=env).stdout


def test_a_setting_that_breaks_its_rule_is_a_sentence(tmp_path):
    refused = service.run("doctor", env=service.environment(tmp_path, SERVER_PORT="eighty"))
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"service-server: SERVER_PORT: ")


def test_a_setting_that_is_probably_not_meant_is_named(tmp_path):
    env = service.environment(tmp_path, SERVICE_SERVER_WORKER_THREDS=4)
    report = json.loads(service.run("doctor", "--json", env=env).stdout)
    assert report["warnings"] == [
        "SERVICE_SERVER_WORKER_THREDS is not a setting; did you mean SERVICE_SERVER_WORKER_THREADS?"
    ]


def test_the_report_is_in_the_language_of_the_terminal(tmp_path):
    env = service.environment(tmp_path, LC_ALL="ko_KR.UTF-8", AWS_RDS_HOSTNAME="db")
    examined = service.run("doctor", env=env)
    told = examined.stdout.decode()
    assert examined.returncode == 0
    for words in (
        "데이터베이스  SQLite(",
        "\n설정\n",
        "\n상태\n",
        "\n엔진\n",
        "\n언어\n",
        "AWS_RDS_HOSTNAME: 없는 설정입니다. AWS_RDS_HOST입니까?\n",
        "필수 부분이 모두 있습니다.\n",
    ):
        assert words in told


def test_what_is_missed_is_in_the_language_of_the_terminal(tmp_path):
    env = service.environment(tmp_path, LC_ALL="ko_KR.UTF-8", EXECUTION_ENGINE_BASE_URL="http://127.0.0.1:1")
    told = service.run("doctor", env=env).stdout.decode()
    assert told.splitlines()[-1].startswith("사용할 수 없음(engine): ")


def test_what_is_missed_has_a_sentence_for_readers_in_other_languages(with_nothing):
    report = with_nothing
    engine = next(part for part in report["dependencies"] if part["name"] == "engine")
    assert str(text_of(engine["detail_text"])) == engine["detail"]
    assert "setpriv がインストールされていません" in text_of(engine["detail_text"]).into(Language.JAPANESE)
    assert engine["detail"] in report["missing"]


def test_advice_about_a_language_is_in_the_language_of_a_reader(with_python_alone):
    report = with_python_alone
    ruby = next(language for language in report["languages"] if language["name"] == "ruby")
    advice = text_of(ruby["unavailable_text"])
    assert str(advice) == ruby["unavailable_because"]
    assert advice.into(Language.KOREAN).startswith("Ruby: 이 컴퓨터에 설치되어 있지 않습니다: ")
    assert text_of(report["engine"]["warning_text"]).into(Language.KOREAN).startswith("프로그램이 격리되지")
    beginnings = {"warm_start": "없음: 프로그램이 격리되지", "control_groups": "사용하지 않음: 프로그램이"}
    for name, begins in beginnings.items():
        told = text_of(report["engine"][f"{name}_text"])
        assert str(told) == report["engine"][name]
        assert told.into(Language.KOREAN).startswith(begins)
    limits = report["engine"]["limits"]
    texts = {name: str(text_of(parts)) for name, parts in report["engine"]["limit_texts"].items()}
    assert texts == limits
