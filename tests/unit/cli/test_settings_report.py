import errno
import os
import re
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError

from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.settings_report import RULES, in_force, load_limits, load_settings, variables
from entrypoints.settings import LimitSettings, Settings
from entrypoints.settings_check import warnings


@pytest.fixture(autouse=True)
def without_a_dotenv_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_the_command_line_says_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("SERVER_PORT", "8001")
    assert load_settings().port == 8001
    assert load_settings(port=8002).port == 8002


@pytest.mark.parametrize("load", [load_settings, load_limits])
def test_a_dotenv_file_that_cannot_be_read_is_wrong_usage(tmp_path, monkeypatch, load):
    (tmp_path / ".env").write_bytes(b"SERVER_PORT=8001 # caf\xe9\n")
    with pytest.raises(Failure, match=r"^\.env is not UTF-8: byte 22 ") as refused:
        load()
    assert refused.value.exit_code == ExitCode.USAGE

    def deny(*_args, **_options):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr("dotenv.main.open", deny, raising=False)
    with pytest.raises(Failure, match=r"^cannot read \.env: ") as refused:
        load()
    assert refused.value.exit_code == ExitCode.USAGE


def test_a_user_without_a_home_directory_must_name_one_for_data(monkeypatch):
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("SERVICE_SERVER_DATA_DIR", raising=False)

    with pytest.raises(Failure, match=r"^SERVICE_SERVER_DATA_DIR: must be set") as refused:
        load_settings()
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("variable", "value", "load"),
    [
        ("SERVER_PORT", "eighty", load_settings),
        ("SERVICE_SERVER_HTTP_THREADS", "0", load_settings),
        ("ENVIRONMENT", "prodution", load_settings),
        ("SERVICE_SERVER_REDIS_URL", "cache:6379", load_settings),
        ("SERVICE_SERVER_REDIS_URL", "redis://cache:port", load_settings),
        ("EXECUTION_ENGINE_BASE_URL", "runners", load_settings),
        ("EXECUTION_ENGINE_BASE_URL", "ftp://runners", load_settings),
        ("AWS_ENDPOINT_URL", "objects:9000", load_settings),
        ("SERVICE_SERVER_WEBHOOK_SECRETS", "whsec_!", load_settings),
        ("SERVICE_SERVER_WEBHOOK_SECRETS", "c2hvcnQ=", load_settings),
        ("SERVICE_SERVER_RDS_CA_FILE", "/there/is/none", load_settings),
        ("SERVICE_SERVER_ENGINE_LANGUAGES", "python,pyton", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://a.example,b.example", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://a.example/", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://a.example/app", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://A.example", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://a.example:443", load_settings),
        ("SERVICE_SERVER_CORS_ORIGINS", "http://a.example:80", load_settings),
        ("SERVICE_SERVER_ALLOWED_HOSTS", "https://a.example", load_settings),
        ("SERVICE_SERVER_ALLOWED_HOSTS", "a.example:8000", load_settings),
        ("SERVICE_SERVER_ALLOWED_HOSTS", "*.example", load_settings),
        ("SERVICE_SERVER_ALLOWED_HOSTS", "::1", load_settings),
        ("SERVICE_SERVER_LOG_LEVEL", "loud", load_settings),
        ("SERVICE_SERVER_DRAIN_S", "inf", load_settings),
        ("SERVICE_SERVER_LEASE_S", "nan", load_settings),
        ("SERVICE_SERVER_MAX_WAIT_S", "1e300", load_settings),
        ("SERVICE_SERVER_MEMORY_MB", "1", load_limits),
        ("EXECUTION_ENGINE_TIMEOUT", "soon", load_limits),
    ],
)
def test_a_setting_that_breaks_its_rule_is_named_as_its_variable(monkeypatch, variable, value, load):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Failure, match=f"^{variable}: ") as refused:
        load()
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(
            ("SERVICE_SERVER_CORS_ORIGINS", origin)
            for origin in ("*", "null", "http://[::1]:5173", "app://x")
        ),
        ("SERVICE_SERVER_CORS_ORIGINS", "https://*.example.com, http://localhost:*, https://a.example:8443"),
        *(("SERVICE_SERVER_ALLOWED_HOSTS", host) for host in ("*", "API.example.com", "10.0.0.1", "[::1]")),
    ],
)
def test_hosts_and_origins_that_can_be_found_are_taken(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert ", ".join(settings.cors_origins + settings.allowed_hosts) == value


def test_secrets_are_masked_and_the_rest_is_shown(monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
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
def test_of_an_address_nothing_is_shown_that_may_be_secret(address, shown):
    unchecked = Settings.model_construct(aws_endpoint_url=address)
    values = {name: value for name, value, _ in in_force(unchecked)}
    assert values["AWS_ENDPOINT_URL"] == shown


def test_a_refused_value_may_be_a_secret_and_does_not_show(monkeypatch):
    monkeypatch.setenv("SERVICE_SERVER_REDIS_URL", "hunter2")
    monkeypatch.setenv("SERVICE_SERVER_WEBHOOK_SECRETS", "hunter2")
    with pytest.raises(Failure) as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SERVICE_SERVER_WORKER_THREDS", "SERVICE_SERVER_WORKER_THREADS"),
        ("AWS_RDS_HOSTNAME", "AWS_RDS_HOST"),
        ("AWS_CODE_BUKET", "AWS_CODE_BUCKET"),
        ("SERVICE_SEVER_REDIS_URL", "SERVICE_SERVER_REDIS_URL"),
        ("EXECUTION_ENGINE_BASEURL", "EXECUTION_ENGINE_BASE_URL"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("SERVICE_SERVER_PORT", "SERVER_PORT"),
        ("SERVICE_SERVER_HOST", "SERVER_HOST"),
        ("SERVICE_SERVER_ENVIRONMENT", "ENVIRONMENT"),
        ("SERVICE_SERVER_AWS_RDS_HOST", "AWS_RDS_HOST"),
    ],
)
def test_a_name_that_is_no_setting_is_refused_but_in_development(monkeypatch, name, nearest):
    monkeypatch.setenv(name, "1")
    sentence = f"{name} is not a setting; did you mean {nearest}?"

    assert sentence in list(map(str, warnings(load_settings(), os.environ)))

    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(Failure) as refused:
        load_settings()
    assert (str(refused.value), refused.value.exit_code) == (sentence, ExitCode.USAGE)


def test_a_name_in_the_file_of_settings_is_looked_at_too():
    Path(".env").write_text("ENVIRONMENT=production\nSERVICE_SERVER_NO_SUCH_THING=1\n")
    with pytest.raises(Failure, match="SERVICE_SERVER_NO_SUCH_THING is not a setting"):
        load_settings()


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV", "AWS_CA_BUNDLE", "AWS_ACCESS_KEY"),
        *("AWS_ENDPOINT_URL_S3", "ECS_CONTAINER_METADATA_URI", "SERVER_NAME", "SERVER_SOFTWARE", "REDIS_URL"),
        *("SERVICE_SERVER_SERVICE_HOST", "SERVICE_SERVER_PORT", "SERVICE_SERVER_PORT_80_TCP_ADDR"),
        *("SERVICE_SERVER_SERVICE_PORT_HTTP", "SERVICE_SERVER_SERVER_URL", "service_server_log_level"),
        # Of a Service called service-server-service-server or service-server-api.
        *("SERVICE_SERVER_SERVICE_SERVER_SERVICE_HOST", "SERVICE_SERVER_SERVICE_SERVER_SERVICE_PORT_HTTP"),
        *(
            "SERVICE_SERVER_SERVICE_SERVER_PORT",
            "SERVICE_SERVER_API_PORT_80_TCP_PROTO",
            "SERVICE_SERVER_API_PORT",
        ),
    ],
)
def test_a_name_of_another_program_or_of_ours_is_let_be(monkeypatch, name):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv(name, "tcp://10.0.0.1:80" if "PORT" in name else "DEBUG")
    assert load_settings().port == 8000


@pytest.mark.parametrize(("given", "missing"), [("CODE", "LOG"), ("LOG", "CODE")])
def test_one_bucket_without_the_other_is_named(monkeypatch, given, missing):
    monkeypatch.setenv(f"AWS_{given}_BUCKET", "bucket")
    (sentence,) = warnings(load_settings(), os.environ)
    assert str(sentence).startswith(f"AWS_{given}_BUCKET is set and AWS_{missing}_BUCKET is not")


@pytest.mark.parametrize("name", ["EXECUTION_ENGINE_BASE_URL", "EXECUTION_ENGINE_NODE_RUN_URL"])
def test_runners_without_a_bucket_are_named(monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:3000/run")
    (sentence,) = warnings(load_settings(), os.environ)
    assert "AWS_CODE_BUCKET" in str(sentence)
    assert set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", str(sentence))) <= {"AWS_CODE_BUCKET", name}


KOREAN = "ko_KR.UTF-8"
# Of each kind of error that pydantic has for values from the environment, by a value that makes it.
BROKEN_RULES = {
    "bool_parsing": ("DEBUG", "perhaps", "true 또는 false여야 합니다"),
    "int_parsing": ("SERVER_PORT", "eighty", "정수여야 합니다"),
    "int_parsing_size": ("SERVER_PORT", "9" * 5_000, "더 짧은 숫자여야 합니다"),
    "float_parsing": ("SERVICE_SERVER_LEASE_S", "long", "숫자여야 합니다"),
    "finite_number": ("SERVICE_SERVER_LEASE_S", "inf", "유한한 숫자여야 합니다"),
    "greater_than": ("SERVICE_SERVER_RENEW_EVERY_S", "0", "0.0보다 커야 합니다"),
    "greater_than_equal": ("SERVICE_SERVER_HTTP_THREADS", "0", "1 이상이어야 합니다"),
    "less_than_equal": ("SERVICE_SERVER_HTTP_THREADS", "513", "512 이하여야 합니다"),
    "literal_error": (
        "SERVICE_SERVER_LOG_LEVEL",
        "loud",
        "다음 중 하나여야 합니다: 'DEBUG', 'INFO', 'WARNING', 'ERROR'",
    ),
    "enum": ("SERVICE_SERVER_AUTH", "on", "다음 중 하나여야 합니다: 'off', 'keys', 'keys+oidc'"),
    "string_too_long": ("SERVICE_SERVER_BACKLOG_NAMESPACE", "n" * 256, "255자 이하여야 합니다"),
    "string_pattern_mismatch": ("SERVICE_SERVER_BACKLOG_NAMESPACE", ":", "^[^:] 패턴에 맞아야 합니다"),
    "url_parsing": ("SERVICE_SERVER_PUBLIC_URL", "here", "https://host/path 같은 주소여야 합니다"),
    "url_scheme": ("SERVICE_SERVER_PUBLIC_URL", "ftp://here", "https://host/path 같은 주소여야 합니다"),
    "url_too_long": ("SERVICE_SERVER_PUBLIC_URL", f"http://{'h' * 2_083}", "2083자 이하여야 합니다"),
}


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_broken_rule_is_told_in_the_language_of_the_terminal(monkeypatch, kind):
    name, value, korean = BROKEN_RULES[kind]
    monkeypatch.setenv(name, value)
    for locale in (KOREAN, "C"):
        monkeypatch.setenv("LC_ALL", locale)
        with pytest.raises(Failure) as refused:
            load_settings()
        assert (str(refused.value) == f"{name}: {korean}") is (locale == KOREAN)
        assert "Input should" not in str(refused.value)


def test_every_rule_of_pydantic_that_a_value_can_break_is_in_the_catalogue(monkeypatch):
    values = ("x", "1.5", "-999999", "9" * 99, "9" * 5_000, "inf", ":", ",", "ftp://h", "http://[", "=a", "{")
    found = set()
    for kind, value in product((Settings, LimitSettings), values):
        with monkeypatch.context() as patch:
            for name in variables(kind):
                patch.setenv(name, value)
            try:
                kind()
            except ValidationError as error:
                found |= {problem["type"] for problem in error.errors()}
    assert found - {"value_error"} == RULES


@pytest.mark.parametrize(
    ("load", "name", "value", "sentence"),
    [
        (load_settings, "AWS_RDS_HOSTT", "db", "AWS_RDS_HOSTT: 없는 설정입니다. AWS_RDS_HOST입니까?"),
        (
            load_settings,
            "SERVICE_SERVER_NO_SUCH_THING",
            "1",
            "SERVICE_SERVER_NO_SUCH_THING: 없는 설정입니다.",
        ),
        (
            load_settings,
            "AWS_ENDPOINT_URL",
            "objects",
            "AWS_ENDPOINT_URL: http://host:port/path 같은 주소여야 합니다",
        ),
        (load_limits, "EXECUTION_ENGINE_TIMEOUT", "soon", "EXECUTION_ENGINE_TIMEOUT: 정수여야 합니다"),
        (
            load_settings,
            "SERVICE_SERVER_OIDC_ROLES",
            "ops=king",
            "SERVICE_SERVER_OIDC_ROLES: king: 다음 중 하나여야 합니다: ",
        ),
    ],
)
def test_a_setting_is_refused_in_the_language_of_the_terminal(monkeypatch, load, name, value, sentence):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("LC_ALL", KOREAN)
    monkeypatch.setenv(name, value)
    with pytest.raises(Failure) as refused:
        load()
    assert str(refused.value).startswith(sentence)
