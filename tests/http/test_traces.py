"""A caller's trace, where OpenTelemetry is off: ids in answers, lines, the timeline, and on to receivers."""

import logging

import pytest

from entrypoints.cli.logging_setup import LogFieldsFilter
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving
from tests.http.visitor import PAGE
from tests.support.receiver import receiver

TRACE, STATE = "4bf92f3577b34da6a3ce929d0e0e4736", "vendor=1"
TRACED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": STATE}


def test_a_problem_has_the_id_of_the_trace_if_there_is_one(service: Service):
    traced = service.http.get(f"/api/jobs/{UNKNOWN_ID}", headers=TRACED)
    refused = service.http.get("/api/health", headers={**TRACED, "host": "elsewhere.example"})
    untraced = service.http.get(f"/api/jobs/{UNKNOWN_ID}", headers={"traceparent": "00-1-2-3"})

    assert assert_problem(traced, 404)["trace_id"] == TRACE
    assert assert_problem(refused, 421)["trace_id"] == TRACE
    assert "trace_id" not in assert_problem(untraced, 404)


def test_the_line_of_a_request_has_the_id_of_its_trace(service: Service, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "service_server.http.access"), caplog.filtering(LogFieldsFilter()):
        service.http.get("/api/jobs", headers=TRACED)
        (record,) = poll(lambda: caplog.records)

    assert record.fields["trace_id"] == TRACE


def test_a_timeline_has_the_id_of_the_trace_that_its_run_is_a_part_of(service: Service):
    traced = service.http.post("/api/upload", json=_body(), headers=TRACED).json()["job_id"]
    untraced = service.upload(execute=True)["job_id"]

    [attempt] = service.http.get(f"/api/jobs/{traced}/timeline").json()["attempts"]
    [other] = service.http.get(f"/api/jobs/{untraced}/timeline").json()["attempts"]
    assert attempt["trace_id"] == TRACE
    assert "trace_id" not in other
    assert f"Trace {TRACE}" in service.http.get(f"/dashboard/jobs/{traced}", headers=PAGE).text
    assert "Trace " not in service.http.get(f"/dashboard/jobs/{untraced}", headers=PAGE).text


def test_a_webhook_goes_on_with_the_trace(tmp_path):
    with serving(tmp_path, webhook_allow_private=True) as service, receiver() as target:
        body = {**_body(), "callback_url": target.url}
        job = service.http.post("/api/upload", json=body, headers=TRACED).json()["job_id"]
        untraced = service.http.post("/api/upload", json=body).json()["job_id"]

        [posted], [other] = poll(
            lambda: (e := [target.of_job(job), target.of_job(untraced)]) and all(e) and e
        )

        assert {name: posted.headers[name] for name in TRACED} == TRACED
        assert TRACED.keys().isdisjoint(other.headers)


def _body() -> dict:
    return {"project": "demo", "code": "print(1)", "language": "python", "execute": True}
