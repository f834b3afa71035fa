import os
import re
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

import pytest
from pydantic import ValidationError

from application.ports.purge_repository import StoreName
from domain.limits import STANDARD_BOUNDS
from entrypoints.cli.errors import Failure
from entrypoints.cli.settings_report import load_settings
from entrypoints.settings import LimitSettings, Settings, variable
from tests.support.settings import settings_of


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    """Neither the machine's variables nor its `.env` file reach these tests."""
    for name in tuple(os.environ):
        if name.startswith(("SERVICE_SERVER_", "AWS_", "SERVER_", "EXECUTION_ENGINE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_with_nothing_set_everything_is_embedded():
    settings = Settings()

    elsewhere = (settings.rds_host, settings.code_bucket, settings.log_bucket, settings.redis_url)
    assert elsewhere == (None,) * 4
    assert (settings.engine_url, settings.ecs_cluster_name) == (None, None)
    assert settings.base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("AWS_RDS_HOST", "db", "rds_host"),
        ("AWS_RDS_PORT", "3307", "rds_port"),
        ("AWS_RDS_DBNAME", "jobs", "rds_dbname"),
        ("AWS_RDS_USERNAME", "me", "rds_username"),
        ("AWS_ACCESS_KEY_ID", "key", "aws_access_key_id"),
        ("AWS_CODE_REGION", "ap-northeast-2", "code_region"),
        ("AWS_CODE_BUCKET", "code", "code_bucket"),
        ("AWS_LOG_REGION", "ap-northeast-2", "log_region"),
        ("AWS_LOG_BUCKET", "logs", "log_bucket"),
        ("AWS_ECS_CLUSTER_NAME", "runners", "ecs_cluster_name"),
        ("AWS_ENDPOINT_URL", "http://s3", "aws_endpoint_url"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://metrics", "cloudwatch_endpoint_url"),
        ("EXECUTION_ENGINE_BASE_URL", "http://runners", "engine_url"),
        ("EXECUTION_ENGINE_PYTHON_RUN_URL", "http://python:8080/run", "python_run_url"),
        ("EXECUTION_ENGINE_NODE_RUN_URL", "http://node:3000/run", "node_run_url"),
        ("EXECUTION_ENGINE_JAVA_RUN_URL", "http://java:8090/run", "java_run_url"),
        ("SERVER_HOST", "0.0.0.0", "host"),  # noqa: S104 - only read
        ("SERVER_PORT", "9000", "port"),
        ("ENVIRONMENT", "production", "environment"),
    ],
)
def test_the_names_of_the_existing_deployment_are_kept(monkeypatch, variable, value, field):
    monkeypatch.setenv(variable, value)

    assert str(getattr(Settings(), field)) == value


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_RDS_PASSWORD", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter2"),
        ("SERVICE_SERVER_REDIS_URL", "redis://:hunter2@cache"),
    ],
)
def test_a_secret_does_not_show(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    assert "hunter2" not in repr(Settings())


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("AWS_RDS_HOST", "")

    assert Settings().rds_host is None


def test_a_file_sets_what_the_environment_does_not(monkeypatch):
    Path(".env").write_text("SERVER_PORT=9001\nENVIRONMENT=test\n")
    monkeypatch.setenv("SERVER_PORT", "9002")

    settings = Settings()

    assert (settings.port, settings.environment) == (9002, "test")


def test_a_list_is_given_with_commas(monkeypatch):
    monkeypatch.setenv("SERVICE_SERVER_CORS_ORIGINS", "https://a.example, https://b.example")

    assert Settings().cors_origins == ("https://a.example", "https://b.example")


def test_only_development_lets_any_page_of_this_machine_call(monkeypatch):
    assert Settings().cors_origin_pattern is not None

    monkeypatch.setenv("ENVIRONMENT", "production")
    assert Settings().cors_origin_pattern is None


@pytest.mark.parametrize("name", STANDARD_BOUNDS)
def test_every_limit_has_a_setting_for_its_default_and_its_maximum(monkeypatch, name):
    bounds = STANDARD_BOUNDS[name]
    default_variable = (
        "EXECUTION_ENGINE_TIMEOUT" if name == "timeout_ms" else f"SERVICE_SERVER_{name.upper()}"
    )
    monkeypatch.setenv(default_variable, str(bounds.minimum + 1))
    monkeypatch.setenv(f"SERVICE_SERVER_MAX_{name.upper()}", str(bounds.minimum + 2))

    policy = LimitSettings().policy()

    assert getattr(policy.resolve({}), name) == bounds.minimum + 1
    assert policy.bounds[name].maximum == bounds.minimum + 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SERVER_PORT", "many"), ("SERVER_PORT", "70000"), ("SERVICE_SERVER_WORKER_THREADS", "0")],
)
def test_a_value_out_of_range_is_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    with pytest.raises(ValidationError):
        Settings()


def test_the_address_of_one_runner_is_enough_for_programs_to_run_on_runners(monkeypatch):
    assert not Settings().uses_runners

    monkeypatch.setenv("EXECUTION_ENGINE_NODE_RUN_URL", "http://node:3000/run")

    assert Settings().uses_runners
    assert Settings().run_urls == {"node": "http://node:3000/run"}


@pytest.mark.parametrize("address", ["node:3000/run", "ftp://node/run", "http:///run", "http://n:x/run"])
@pytest.mark.parametrize("variable", ["EXECUTION_ENGINE_BASE_URL", "EXECUTION_ENGINE_NODE_RUN_URL"])
def test_an_address_that_is_none_is_refused_by_the_name_of_its_variable(monkeypatch, variable, address):
    monkeypatch.setenv(variable, address)

    with pytest.raises(Failure, match=f"^{variable}: .*such as http://host") as refused:
        load_settings()

    assert address not in str(refused.value)


def test_the_address_of_a_runner_is_that_of_its_run(monkeypatch):
    monkeypatch.setenv("EXECUTION_ENGINE_JAVA_RUN_URL", "http://java:8090/")

    with pytest.raises(Failure, match=r"^EXECUTION_ENGINE_JAVA_RUN_URL: .* a runner's /run"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "field", "standard"),
    [
        ("SERVICE_SERVER_ENGINE_WAIT_S", "engine_wait_s", 3_600),
        ("SERVICE_SERVER_STORAGE_THREADS", "storage_threads", 16),
        ("SERVICE_SERVER_RECEIPTS_KEPT_DAYS", "receipts_kept_days", 7),
        ("SERVICE_SERVER_IDEMPOTENCY_KEYS_KEPT_HOURS", "idempotency_keys_kept_hours", 24),
        ("SERVICE_SERVER_IDEMPOTENCY_MAX_RESPONSE_BYTES", "idempotency_max_response_bytes", 4 << 20),
        ("SERVICE_SERVER_UNUSED_FILES_KEPT_HOURS", "unused_files_kept_hours", 6),
        ("SERVICE_SERVER_CLUSTER_HISTORY_KEPT_DAYS", "cluster_history_kept_days", 30),
        ("SERVICE_SERVER_KEEP_JOBS_DAYS", "keep_jobs_days", None),
        ("SERVICE_SERVER_KEEP_LOGS_DAYS", "keep_logs_days", None),
        ("SERVICE_SERVER_KEEP_PENDING_DAYS", "keep_pending_days", None),
        ("SERVICE_SERVER_KEEP_AUDIT_DAYS", "keep_audit_days", None),
        ("SERVICE_SERVER_KEEP_USAGE_DAYS", "keep_usage_days", None),
        ("SERVICE_SERVER_MAX_LARGE_BODIES", "max_large_bodies", 16),
        ("SERVICE_SERVER_MIN_UPLOAD_BYTES_PER_S", "min_upload_bytes_per_s", 16_384),
        ("SERVICE_SERVER_MAX_SPOOLED_MB", "max_spooled_mb", 1_024),
        ("SERVICE_SERVER_ADDRESS_SHARE_PERCENT", "address_share_percent", 50),
    ],
)
def test_what_an_operator_may_change_has_a_default(monkeypatch, variable, field, standard):
    assert getattr(Settings(), field) == standard

    monkeypatch.setenv(variable, "3")

    assert getattr(Settings(), field) == 3


def test_directories_are_swept_and_buckets_when_they_are_this_service_s_alone(monkeypatch):
    assert Settings().swept_stores == set(StoreName)

    monkeypatch.setenv("AWS_CODE_BUCKET", "shared")
    assert Settings().swept_stores == {StoreName.LOG}
    monkeypatch.setenv("SERVICE_SERVER_SWEEP_BUCKETS", "true")
    assert Settings().swept_stores == set(StoreName)


def test_an_object_is_swept_no_sooner_than_a_result_that_waits_for_its_log_is_given_up():
    assert Settings().retention_rules.orphans_kept == timedelta(hours=6)
    assert Settings(pending_results_s=86_400).retention_rules.orphans_kept == timedelta(days=2)


def test_one_address_has_its_share_and_one_place_at_least():
    settings = Settings(address_share_percent=50)

    assert [settings.share_of_address(places) for places in (1, 2, 16, 1000)] == [1, 1, 8, 500]


def test_proxies_are_trusted_by_address_or_network(monkeypatch):
    assert Settings().trusted_proxies == ("127.0.0.1", "::1")

    monkeypatch.setenv("SERVICE_SERVER_TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16, fd00::/8")
    assert Settings().trusted_proxies == ("10.0.0.7", "10.1.0.0/16", "fd00::/8")

    for wrong in ("balancer", "10.1.0.1/16", "*"):
        monkeypatch.setenv("SERVICE_SERVER_TRUSTED_PROXIES", wrong)
        with pytest.raises(ValidationError, match="must be an address, or a network"):
            Settings()


def test_a_default_over_its_maximum_names_both_settings(monkeypatch):
    monkeypatch.setenv("EXECUTION_ENGINE_TIMEOUT", "900000")

    with pytest.raises(ValidationError, match=r"EXECUTION_ENGINE_TIMEOUT.*SERVICE_SERVER_MAX_TIMEOUT_MS"):
        LimitSettings()


def test_a_lease_that_ends_before_its_renewal_is_refused(monkeypatch):
    monkeypatch.setenv("SERVICE_SERVER_LEASE_S", "5")

    with pytest.raises(ValidationError, match="SERVICE_SERVER_RENEW_EVERY_S"):
        Settings()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - only read
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("example.org", "http://example.org:8000"),
    ],
)
def test_the_address_that_clients_are_told_is_one_that_they_reach(monkeypatch, host, url):
    monkeypatch.setenv("SERVER_HOST", host)

    assert Settings().base_url == url


def test_the_readme_names_the_defaults_that_differ_from_the_existing_deployment():
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    section = readme.partition("## Coming from the existing service")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
    fields = {variable(Settings, name): field for name, field in Settings.model_fields.items()}
    for names, _there, here in rows:
        for name in re.findall(r"[A-Z][A-Z_]+", names):
            default = fields[name].default
            assert (f"`{default}`" if default else "unset") in here or default == (), (name, here)
    assert {"AWS_CODE_REGION", "SERVER_HOST", "AWS_LOG_BUCKET"} <= set(re.findall(r"[A-Z][A-Z_]+", section))


@pytest.mark.parametrize(
    ("host", "is_on_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - only read
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("example.org", False),
    ],
)
def test_without_a_word_only_a_service_on_loopback_asks_for_no_key(host, is_on_loopback):
    settings = settings_of(host=host)

    assert settings.is_on_loopback is is_on_loopback
    assert settings.asks_for_keys is not is_on_loopback
    assert not settings.is_open_to_all


@pytest.mark.parametrize(
    ("fields", "asks_for_keys", "is_open_to_all"),
    [
        ({"auth": "off"}, False, False),
        ({"auth": "off", "host": "10.0.0.1"}, False, True),
        ({"auth": "off", "public_url": "https://runs.example.com"}, False, True),
        ({"public_url": "https://runs.example.com"}, False, True),
        ({"public_url": "http://localhost:8000"}, False, False),
        ({"auth": "keys"}, True, False),
        ({"auth": "keys", "host": "10.0.0.1"}, True, False),
    ],
)
def test_a_service_is_open_to_all_if_others_reach_it_without_a_key(fields, asks_for_keys, is_open_to_all):
    settings = settings_of(**fields)

    assert (settings.asks_for_keys, settings.is_open_to_all) == (asks_for_keys, is_open_to_all)


def test_an_unknown_mode_of_authentication_is_refused():
    with pytest.raises(ValidationError, match=r"keys\+oidc"):
        settings_of(auth="on")


@pytest.mark.parametrize(
    ("name", "value", "limit", "expected"),
    [
        ("MAX_STDIN_BYTES", "7", "submission_limits.stdin_bytes", 7),
        ("MAX_ARGUMENTS", "7", "submission_limits.arguments", 7),
        ("MAX_ARGUMENTS_BYTES", "7", "submission_limits.arguments_bytes", 7),
        ("MAX_TAGS", "7", "submission_limits.tags", 7),
        ("MAX_TEXT_CHARS", "77", "submission_limits.text_chars", 77),
        ("MAX_CASES", "7", "submission_limits.cases", 7),
        ("MAX_CASES_BYTES", "7777", "submission_limits.cases_bytes", 7777),
        ("MAX_STDIN_FILE_MB", "7", "submission_limits.stdin_file_bytes", 7 << 20),
        ("MAX_UPLOAD_FILES", "7", "submission_limits.files.files", 7),
        ("MAX_FILE_MB", "7", "submission_limits.files.file_bytes", 7 << 20),
        ("MAX_FILES_MB", "77", "submission_limits.files.total_bytes", 77 << 20),
        ("MAX_FILE_DEPTH", "7", "submission_limits.files.depth", 7),
        ("MAX_ARCHIVE_RATIO", "7", "submission_limits.files.archive_ratio", 7),
        ("MAX_ARTIFACTS", "7", "artifact_limits.files", 7),
        ("MAX_ARTIFACT_MB", "7", "artifact_limits.file_bytes", 7 << 20),
        ("MAX_ARTIFACTS_MB", "77", "artifact_limits.total_bytes", 77 << 20),
        ("WEBHOOK_THREADS", "7", "delivery_rules.threads", 7),
        ("WEBHOOK_RECEIVER_THREADS", "7", "delivery_rules.per_receiver", 7),
        ("WEBHOOK_RETRY_HOURS", "7", "delivery_rules.retried_for", timedelta(hours=7)),
        ("WEBHOOK_DISABLE_AFTER_HOURS", "7", "delivery_rules.disabled_after", timedelta(hours=7)),
        ("RETRY_FIRST_DELAY_S", "7", "backoff.first_s", 7),
        ("RETRY_LONGEST_DELAY_S", "7777", "backoff.longest_s", 7777),
        ("CHECKER_TIMEOUT_MS", "777", "checker_timeout_ms", 777),
        ("CHECKER_MEMORY_MB", "77", "checker_memory_mb", 77),
    ],
)
def test_a_setting_is_the_limit_that_it_is_named_for(monkeypatch, name, value, limit, expected):
    assert attrgetter(limit)(Settings()) != expected
    monkeypatch.setenv(f"SERVICE_SERVER_{name}", value)

    assert attrgetter(limit)(Settings()) == expected
