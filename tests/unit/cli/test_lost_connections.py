from contextlib import closing
from dataclasses import replace

import pytest

from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import Failure
from tests.support.scripted_http import Answer, scripted_server

LOST = Answer(body=b"{", claimed_bytes=100)
IN_WORK = Answer(status=409, body=b'{"detail": "still in work"}', headers={"Retry-After": "0"})
REFUSED = Answer(status=409, body=b'{"detail": "cannot execute a job that is RUNNING"}')
DONE = Answer(body=b'{"job_id": "1"}')


def client_of(server):
    return closing(ServiceClient.at(server.address))


def keys(server):
    return [headers["Idempotency-Key"] for headers in server.headers]


@pytest.mark.parametrize("answers", [[LOST, DONE], [LOST, IN_WORK, IN_WORK, DONE]])
def test_a_request_whose_connection_is_lost_is_sent_again_under_its_key(answers):
    with scripted_server(*answers) as server, client_of(server) as client:
        assert client.post("/api/upload", {}) == {"job_id": "1"}
        assert len(keys(server)) == len(answers)
        assert len(set(keys(server))) == 1


def test_each_request_has_a_key_of_its_own():
    with scripted_server(DONE) as server, client_of(server) as client:
        client.post("/api/upload", {})
        client.post("/api/upload", {})
        assert len(set(keys(server))) == 2


@pytest.mark.parametrize(
    ("answers", "sent", "why"),
    [
        ([LOST, LOST, DONE], 2, "cannot reach"),
        ([LOST, REFUSED], 2, "RUNNING"),
        ([REFUSED], 1, "RUNNING"),
        ([IN_WORK], 1, "still in work"),
        ([LOST, replace(IN_WORK, headers={"Retry-After": "9999"})], 2, "still in work"),
        ([LOST, replace(IN_WORK, headers={"Retry-After": "Mon, 01 Jan 2029 00:00:00 GMT"})], 2, "in work"),
    ],
)
def test_what_is_lost_twice_or_refused_is_an_error(answers, sent, why):
    with scripted_server(*answers) as server, client_of(server) as client:
        with pytest.raises(Failure, match=why):
            client.post("/api/upload", {})
        assert len(keys(server)) == sent


@pytest.mark.parametrize("body", [b"<!doctype html>", b"\xff", b""])
def test_an_answer_of_another_server_is_an_error(body):
    refused = pytest.raises(Failure, match="answered 200 and is not Service Server")
    with scripted_server(Answer(body=body)) as server, client_of(server) as client, refused:
        client.get("/api/jobs")


def test_reads_have_no_key():
    with scripted_server(DONE) as server, client_of(server) as client:
        client.get("/api/projects")
        assert "Idempotency-Key" not in server.headers[0]
