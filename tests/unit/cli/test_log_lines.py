"""Lines of the log, to read and for machines."""

import json
import logging
from io import StringIO

import pytest

from application.log_context import LOG_FIELDS, logging_about, outage, request_id, tenant, trace_context
from domain.tenant import TenantName
from domain.trace_context import TraceContext
from entrypoints.cli.logging_setup import Handler, JsonLines, Lines
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import InMemoryService
from tests.support.settings import settings_of

KEY = "ssk_" + "a" * 43


@pytest.fixture
def log():
    """A logger, and its lines in both formats."""
    logger = logging.getLogger("service_server.of_two_formats")
    logger.setLevel(logging.INFO)
    streams = StringIO(), StringIO()
    for stream, formatter in zip(streams, (Lines(), JsonLines()), strict=True):
        handler = Handler(stream)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    yield logger, *streams
    logger.handlers.clear()


def test_a_line_names_the_request_the_tenant_the_job_the_execution_and_the_trace(log):
    (logger, text, lines), service = log, InMemoryService()
    job = service.start()
    found = service.job_reader.get(ANONYMOUS, job.job_id)
    tokens = request_id.set("req-1"), trace_context.set(TraceContext(f"00-{'f' * 32}-{'1' * 16}-01"))
    with logging_about(found.job, found.executions[-1]):
        logger.info("something")
    request_id.reset(tokens[0])
    trace_context.reset(tokens[1])

    line = json.loads(lines.getvalue())
    assert {name: line[name] for name in LOG_FIELDS} == {
        "request_id": "req-1",
        "tenant": "default",
        "project_id": str(found.job.project_id),
        "job_id": str(job.job_id),
        "execution_id": str(found.executions[-1].id),
        "trace_id": "f" * 32,
    }
    for name in LOG_FIELDS:
        assert f" {name}={line[name]}" in text.getvalue()


def test_a_line_of_a_request_names_its_tenant(log):
    logger, text, lines = log
    token = tenant.set(TenantName("acme"))
    logger.info("inside")
    tenant.reset(token)
    logger.info("outside")

    inside, outside = map(json.loads, lines.getvalue().splitlines())
    assert inside["tenant"] == "acme"
    assert set(outside) == {"time", "level", "logger", "message"}
    assert "inside tenant=acme" in text.getvalue()


def test_lines_of_json_are_one_line_each_whatever_is_in_them(log):
    logger, _text, lines = log
    logger.error("a\nb \x1b[31m \u2028 %s", KEY, extra=outage("database", "away"))
    logger.error("it failed", exc_info=ValueError("of\nmany lines"))

    first, second = lines.getvalue().splitlines()
    assert json.loads(first)["message"].startswith("a\nb \x1b[31m \u2028 ")
    assert json.loads(first)["dependency"] == "database"
    assert KEY not in first
    assert "\x1b" not in first
    assert json.loads(second)["exception"].endswith("ValueError: of\nmany lines")


@pytest.mark.parametrize(
    ("environment", "chosen", "is_json"),
    [
        ("production", None, True),
        ("PROD", None, True),
        ("production", "text", False),
        ("development", None, False),
        ("staging", None, False),
        ("development", "json", True),
    ],
)
def test_production_logs_json_unless_it_is_set_otherwise(environment, chosen, is_json):
    settings = settings_of(environment=environment, log_format=chosen)
    assert (settings.line_format == "json") is is_json
