import json
from contextlib import closing

import pytest

from application.retry_policy import RetryPolicy
from entrypoints.cli import cases, program_output
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


class NoProgress:
    def update(self, done, failed):
        pass


@pytest.fixture(autouse=True)
def without_delays(monkeypatch):
    for module in (program_output, cases):
        monkeypatch.setattr(module, "_RECONNECT", RetryPolicy((0, 0, 0)))


@pytest.mark.parametrize("between", [[], [RESTARTING], [RESTARTING, BUSY]])
def test_output_goes_on_after_a_restart_behind_a_proxy(capfdbinary, between):
    with (
        scripted_server(BROKEN, *between, REST, SHOWN) as server,
        closing(ServiceClient.at(server.address)) as client,
    ):
        assert follow(client, "1", ProgramOutput(is_raw=True)) == JOB
        assert server.headers[len(between) + 1]["Last-Event-ID"] == "a:4:0"
    assert capfdbinary.readouterr().out == b"one two"


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
        (
            Answer(status=404, body=b'{"detail": "job 1 does not exist"}'),
            1,
            ExitCode.FAILED,
            "does not exist",
        ),
        (Answer(body=b": alive\n\n"), 4, ExitCode.SERVICE, "1"),
    ],
)
def test_a_stream_that_cannot_be_resumed_is_an_error(answer, sent, exit_code, why):
    for watch in (
        lambda client: follow(client, "1", ProgramOutput(is_raw=True)),
        lambda client: follow_cases(client, "1", NoProgress()),
    ):
        with scripted_server(answer) as server, closing(ServiceClient.at(server.address)) as client:
            with pytest.raises(Failure, match=why) as failed:
                watch(client)
            assert (len(server.requests), failed.value.exit_code) == (sent, exit_code)
