"""The variables that turn traces on, and a process without them."""

import subprocess
import sys

import pytest

from entrypoints.settings_check import warnings
from entrypoints.tracing_variables import is_tracing_wanted, other_protocol
from tests.support.settings import settings_of

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "judge", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
    ],
)
def test_traces_are_on_by_the_standard_variables(environment, expected):
    assert is_tracing_wanted(environment) is expected


def test_another_protocol_is_named_with_its_variable():
    assert other_protocol({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is None
    assert other_protocol({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")


def test_a_protocol_that_there_is_not_is_a_mistake_in_the_settings():
    environment = {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    [warning] = warnings(settings_of(auth="off"), environment)

    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in str(warning)


def test_a_process_without_them_imports_nothing_of_opentelemetry(tmp_path):
    program = """
import sys
import entrypoints.cli.serve, entrypoints.http.app
from entrypoints.container import build_container
container = build_container()
container.services(), container.tracing()
roots = {name.partition(".")[0] for name in sys.modules}
print(*roots & {"opentelemetry", "requests", "google", "wrapt"})
"""
    environment = {"SERVICE_SERVER_DATA_DIR": str(tmp_path), "OTEL_SERVICE_NAME": "judge"}

    imported = subprocess.check_output([sys.executable, "-c", program], env=environment, timeout=120)

    assert imported.split() == []
