import pytest

from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.cli.settings_report import in_force, load_limits, load_settings


@pytest.fixture(autouse=True)
def without_a_dotenv_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_the_command_line_says_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("SERVER_PORT", "8001")
    assert load_settings().port == 8001
    assert load_settings(port=8002).port == 8002


@pytest.mark.parametrize(
    ("variable", "value", "load"),
    [
        ("SERVER_PORT", "eighty", load_settings),
        ("SERVICE_SERVER_HTTP_THREADS", "0", load_settings),
        ("SERVICE_SERVER_MEMORY_MB", "1", load_limits),
        ("EXECUTION_ENGINE_TIMEOUT", "soon", load_limits),
    ],
)
def test_a_setting_that_breaks_its_rule_is_named_as_its_variable(monkeypatch, variable, value, load):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Failure, match=f"^{variable}: ") as refused:
        load()
    assert refused.value.exit_code == ExitCode.USAGE


def test_secrets_are_masked_and_the_rest_is_shown(monkeypatch):
    monkeypatch.setenv("AWS_RDS_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_RDS_HOST", "database")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hunter2@objects:9000")
    shown = {name: (value, is_set) for name, value, is_set in in_force(load_settings())}
    assert shown["AWS_RDS_PASSWORD"] == ("********", True)
    assert shown["AWS_RDS_HOST"] == ("database", True)
    assert shown["AWS_ENDPOINT_URL"] == ("http://********@objects:9000", True)
    assert shown["AWS_SECRET_ACCESS_KEY"] == ("", False)
    assert shown["SERVER_PORT"] == ("8000", False)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://objects:9000/path", "http://objects:9000/path"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://user:hunter2@tail@objects:9000", "http://********@objects:9000"),
        ("http://hunter2@objects", "http://********@objects"),
        ("http://objects/?token=hunter2#hunter2", "http://objects/?********#********"),
        ("http://user:hunt/er2@objects", "http://********"),
        ("http://user:12/hunter2@objects", "http://********"),
        ("http://user:12?hunter2@objects", "http://********"),
        ("http://user:12#hunter2@objects", "http://********"),
        ("http://user:hunter2", "http://********"),
        ("http://[hunter2@objects", "http://********"),
        ("user:hunter2@objects", "********"),
        ("hunter2@x://objects", "********"),
    ],
)
def test_of_an_address_nothing_is_shown_that_may_be_secret(monkeypatch, address, shown):
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    values = {name: value for name, value, _ in in_force(load_settings())}
    assert values["AWS_ENDPOINT_URL"] == shown
