"""Reports of engines that answered 202, over HTTP."""

import json
import socket
import time

import pytest
from pydantic import SecretStr

from tests.http.support import UNKNOWN_ID, assert_problem, serving
from tests.support.scripted_engine import take_over
from tests.unit.entrypoints.test_webhook_signature import OLD, signed


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    directory = tmp_path_factory.mktemp("completions")
    with serving(directory, webhook_secrets=(SecretStr(OLD),), max_report_bytes=10_000) as service:
        service.engine.program = take_over
        yield service


@pytest.fixture
def execution(service):
    """An execution that the engine has taken over: its id, and its job's."""
    job_id = service.upload(execute=True)["job_id"]
    deadline = time.monotonic() + 90
    while True:
        (execution,) = service.http.get(f"/api/jobs/{job_id}").json()["executions"]
        if execution["started_at"]:
            return execution["execution_id"], job_id
        assert time.monotonic() < deadline


def body_of(job_id, **fields):
    return json.dumps({"job_id": job_id, **fields}).encode()


def report(service, execution_id, body, **sent):
    headers = signed(body, timestamp=int(time.time()), **sent)
    return service.http.post(f"/api/executions/{execution_id}/completion", content=body, headers=headers)


def test_a_report_ends_the_job_and_a_second_one_changes_nothing(service, execution):
    execution_id, job_id = execution

    first = report(service, execution_id, body_of(job_id, stdout="hi", exit_code=0), message_id=f"a{job_id}")
    second = report(service, execution_id, body_of(job_id, stdout="", exit_code=1), message_id=f"b{job_id}")

    assert first.json() == {"execution_id": execution_id, "counted": True}
    assert second.json() == {"execution_id": execution_id, "counted": False}
    ended = service.http.get(f"/api/jobs/{job_id}").json()
    assert ended["status"] == "SUCCESS"
    assert ended["data"]["result"]["stdout"] == "hi"
    assert ended["log_key"]


def test_a_report_without_a_good_signature_is_refused_and_changes_nothing(service, execution):
    execution_id, job_id = execution

    refused = service.http.post(f"/api/executions/{execution_id}/completion", content=b'{"stdout": ""}')

    assert_problem(refused, 401)
    assert service.http.get(f"/api/jobs/{job_id}/status").json()["status"] == "RUNNING"


def test_a_report_of_an_unknown_execution_is_not_found(service):
    assert_problem(report(service, UNKNOWN_ID, b'{"stdout": ""}'), 404)
    assert_problem(report(service, "no-id", b'{"stdout": ""}'), 422)


def test_what_is_no_report_is_refused_and_may_be_sent_again(service, execution):
    execution_id, job_id = execution

    assert_problem(report(service, execution_id, b"<html>", message_id=f"c{job_id}"), 422)

    assert report(service, execution_id, body_of(job_id, stdout=""), message_id=f"c{job_id}").json()[
        "counted"
    ]


def test_a_report_over_its_limit_is_too_large(service, execution):
    execution_id, _ = execution

    assert_problem(report(service, execution_id, b'{"stdout": "%s"}' % (b"x" * 10_000)), 413)


def test_what_cannot_be_signed_is_refused_before_its_body_has_come(service, execution):
    url = service.http.base_url
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        head = f"POST /api/executions/{execution[0]}/completion HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall(f"{head}Content-Length: 9999\r\n\r\n".encode())
        answer = connection.recv(65_536).lower()

    assert answer.startswith(b"http/1.1 401 ")
    assert b"\r\nwww-authenticate: webhook-signature\r\n" in answer
