import json
from contextlib import closing

import pytest

from entrypoints.cli import client as client_module
from entrypoints.cli.cases import follow_cases
from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.program_output import ProgramOutput, follow
from tests.support.scripted_http import Answer, scripted_server

JOB = {"job_id": "1", "run_started_at": None, "data": {}}
RESTARTING = Answer(status=502, body=b"<html>Bad Gateway</html>")
BUSY = Answer(status=503, body=b'{"detail": "the limit on callers that wait for jobs is reached"}')
UNKNOWN = Answer(status=404, body=b'{"detail": "job 1 does not exist"}')
BROKEN = Answer(body=b'id: a:4:0\nevent: output\ndata: {"stream": "stdout", "offset": 0, "text": "one "}\n\n')
REST = Answer(
    body=b'id: a:7:0\nevent: output\ndata: {"stream": "stdout", "offset": 4, "text": "two"}\n\n'
    b"event: end\ndata: {}\n\n"
)
SHOWN = Answer(body=json.dumps(JOB).encode())
STATE = Answer(body=b"id: 1.2\nevent: state\ndata: {}\n\n")
END = Answer(body=b"event: end\ndata: {}\n\n")
FAULTY = Answer(status=500, body=b'{"detail": "the service has a fault"}')
FOREIGN = Answer(status=404, body=b"<html>Not Found</html>")


def ended_with_log(log_key):
    result = {"stdout_bytes": 3, "stderr_bytes": 0, "log_key": log_key}
    return Answer(body=json.dumps({**JOB, "data": {"result": result}}).encode())


class NoProgress:
    def update(self, done, failed):
        pass


def follow_output(client):
    return follow(client, "1", ProgramOutput(is_raw=True))


def follow_progress(client):
    return follow_cases(client, "1", NoProgress())


@pytest.fixture(autouse=True)
def without_delays(monkeypatch):
    monkeypatch.setattr(client_module, "_RECONNECT_S", (0, 0, 0))


@pytest.mark.parametrize("between", [[], [RESTARTING], [RESTARTING, BUSY]])
def test_output_goes_on_after_a_restart_behind_a_proxy(capfdbinary, between):
    with (
        scripted_server(BROKEN, *between, REST, SHOWN) as server,
        closing(ServiceClient.at(server.address)) as client,
    ):
        assert follow(client, "1", ProgramOutput(is_raw=True)) == JOB
        assert server.headers[len(between) + 1]["Last-Event-ID"] == "a:4:0"
    assert capfdbinary.readouterr().out == b"one two"


def test_an_event_begins_the_delays_anew(capfdbinary):
    answers = [BUSY, BUSY, BROKEN, BUSY, BUSY, REST, SHOWN]
    with scripted_server(*answers) as server, closing(ServiceClient.at(server.address)) as client:
        assert follow_output(client) == JOB
    assert capfdbinary.readouterr().out == b"one two"


def test_events_go_on_where_they_were_interrupted():
    with scripted_server(STATE, END, SHOWN) as server, closing(ServiceClient.at(server.address)) as client:
        assert follow_cases(client, "1", NoProgress()) == JOB
        assert server.headers[1]["Last-Event-ID"] == "1.2"


def test_cases_go_on_after_a_restart_behind_a_proxy():
    with (
        scripted_server(RESTARTING, BUSY, REST, SHOWN) as server,
        closing(ServiceClient.at(server.address)) as client,
    ):
        assert follow_cases(client, "1", NoProgress()) == JOB


@pytest.mark.parametrize(
    ("answer", "sent", "exit_code", "why"),
    [
        (BUSY, 4, ExitCode.SERVICE, "the limit on callers"),
        (UNKNOWN, 1, ExitCode.FAILED, "does not exist"),
        (Answer(body=b": alive\n\n"), 4, ExitCode.SERVICE, "1"),
        (Answer(status=504, body=b"<html>Gateway Timeout</html>"), 4, ExitCode.SERVICE, "504"),
        (FAULTY, 1, ExitCode.SERVICE, "has a fault"),
        (FOREIGN, 1, ExitCode.SERVICE, "404"),
    ],
)
def test_a_stream_that_cannot_be_resumed_is_an_error(answer, sent, exit_code, why):
    for watch in (follow_output, follow_progress):
        with scripted_server(answer) as server, closing(ServiceClient.at(server.address)) as client:
            with pytest.raises(Failure, match=why) as failed:
                watch(client)
            assert (len(server.requests), failed.value.exit_code) == (sent, exit_code)


@pytest.mark.parametrize(
    ("watch", "answers", "why"),
    [
        (follow_output, [ended_with_log(None)], "no log"),
        (follow_output, [ended_with_log("a"), BUSY], "the limit on callers"),
        (follow_output, [FAULTY], "has a fault"),
        (follow_progress, [FAULTY], "has a fault"),
    ],
)
def test_a_job_that_cannot_be_read_after_its_end_is_an_error_at_once(watch, answers, why):
    follow_again = Answer(status=404, body=b'{"detail": "the stream was requested again"}')
    with (
        scripted_server(END, *answers, follow_again) as server,
        closing(ServiceClient.at(server.address)) as client,
    ):
        with pytest.raises(Failure, match=why):
            watch(client)
        assert len(server.requests) == 1 + len(answers)
