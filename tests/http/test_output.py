"""Following a program's output, from the program to the reader."""

import base64
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from threading import Event

import httpx
import pytest

from application.ports.execution_engine import EngineReport
from application.ports.output_feed import OutputChunk, OutputListener, Stream, UsageSample
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from entrypoints.http import protocol
from tests.http.support import Service, serving
from tests.support.processes import eventually


class Program:
    """A program that writes a test's text at a test's command."""

    def __init__(self) -> None:
        self.started = Event()
        self.may_end = Event()
        self.result = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)
        self._observer = None
        self._written = dict.fromkeys(Stream, 0)

    def __call__(self, _request, observer) -> EngineReport:
        observer.started()
        self._observer = observer
        self.started.set()
        self.may_end.wait(90)
        return EngineReport(self.result)

    def write(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        assert self.started.wait(90)
        self._observer.output(OutputChunk(stream, self._written[stream], data))
        self._written[stream] += len(data)

    def measure(self, **figures: object) -> None:
        assert self.started.wait(90)
        self._observer.usage(UsageSample(**{"execution_time_ms": 1_000, "cpu_time_ms": 7, **figures}))

    def end(self, **result: object) -> None:
        self.result = ExecutionResult(**{"status": JobStatus.SUCCESS, "exit_code": 0, **result})
        self.may_end.set()


@pytest.fixture
def program(service: Service) -> Iterator[Program]:
    program = Program()
    service.engine.program = program
    yield program
    program.may_end.set()


@contextmanager
def following(
    service: Service, job_id: str, last_event_id: str | None = None, query: str = ""
) -> Iterator[Iterator[dict]]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    with service.http.stream("GET", f"/api/jobs/{job_id}/output{query}", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response)


def _events(response: httpx.Response) -> Iterator[dict]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield {"event": fields["event"], "id": fields.get("id"), **json.loads(fields["data"])}
            fields = {}


def _told(event: dict) -> tuple[str, int, bytes]:
    data = event["text"].encode() if "text" in event else base64.b64decode(event["base64"])
    return event["stream"], event["offset"], data


def _told_to(event: dict) -> int:
    _stream, offset, data = _told(event)
    return offset + len(data)


def test_output_has_the_time_at_which_it_came(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]
    before = datetime.now(UTC)
    with following(service, job_id) as events:
        program.write(b"now\n")
        event = next(event for event in events if event["event"] == "output")
        program.end(stdout=Output.of("now\n"))

    assert before <= datetime.fromisoformat(event["at"]) <= datetime.now(UTC)


@contextmanager
def _silent_reader(service: Service, path: str) -> Iterator[None]:
    """Ask for something and take nothing of the answer, with next to no room for it on the way."""
    url = service.http.base_url
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect((url.host, url.port))
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield


def test_output_is_told_while_the_program_runs(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]

    with following(service, job_id) as events:
        begun = next(events)
        program.write(b"one\n")
        first = next(events)
        program.write("둘\n".encode(), Stream.STDERR)
        second = next(events)
        program.write(b"three\n")
        third = next(events)
        program.end(stdout=Output.of("one\nthree\n"), stderr=Output.of("둘\n"))
        end = list(events)[-1]

    assert (begun["event"], begun["number"]) == ("execution", 1)
    assert _told(first) == ("stdout", 0, b"one\n")
    assert _told(second) == ("stderr", 0, "둘\n".encode())
    assert _told(third) == ("stdout", 4, b"three\n")
    assert (end["event"], end["status"], end["job_id"]) == ("end", "SUCCESS", job_id)
    assert end["log_key"]


def test_usage_is_told_while_the_program_runs_and_is_no_place_to_resume(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]

    with following(service, job_id) as events:
        next(events)
        program.write(b"one\n")
        output = next(events)
        program.measure(memory_mb=12.5, processes=3)
        usage = next(events)
        program.end(stdout=Output.of("one\n"))
        end = next(events)

    assert output["id"] is not None
    assert usage == {
        "event": "usage",
        "id": None,
        "execution_time_ms": 1_000,
        "cpu_time_ms": 7,
        "memory_mb": 12.5,
        "processes": 3,
    }
    assert (end["event"], end["status"]) == ("end", "SUCCESS")


def test_bytes_that_are_not_text_are_told_exactly(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]
    written = [b"\xff\x00\xfe", "가".encode()[:2], "가".encode()[2:], b"a\0b"]

    with following(service, job_id) as events:
        next(events)
        told = []
        for data in written:
            program.write(data)
            told.append(next(events))
        program.end()
        list(events)

    assert b"".join(_told(event)[2] for event in told) == b"".join(written)
    assert [_told(event)[1] for event in told] == [0, 3, 5, 6]
    assert [("base64" in event, "text" in event) for event in told] == [(True, False)] * 3 + [(False, True)]


def test_who_comes_late_is_told_what_was_written_before(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]
    program.write(b"early\n")

    with following(service, job_id) as events:
        next(events)
        assert _told(next(events)) == ("stdout", 0, b"early\n")
        program.end()


def test_a_job_that_waits_is_followed_once_it_runs(service: Service, program: Program):
    job_id = service.upload()["job_id"]

    with following(service, job_id) as events:
        service.http.post(f"/api/execute/{job_id}").raise_for_status()
        program.write(b"now\n")
        assert next(events)["event"] == "execution"
        assert _told(next(events)) == ("stdout", 0, b"now\n")
        program.end()


def test_a_stream_is_resumed_where_it_broke_off(service: Service, program: Program):
    job_id = service.upload(execute=True)["job_id"]
    with following(service, job_id) as events:
        next(events)
        program.write(b"seen ")
        last_id = next(events)["id"]
    program.write(b"missed ")
    program.write(b"err", Stream.STDERR)

    with following(service, job_id, last_id) as events:
        told = [_told(next(events)), _told(next(events))]
        program.end(stdout=Output.of("seen missed and more"), stderr=Output.of("err"))
        rest = [_told(event) for event in events if event["event"] == "output"]

    assert told == [("stdout", 5, b"missed "), ("stderr", 0, b"err")]
    assert rest == [("stdout", 12, b"and more")]


@pytest.mark.parametrize("last_event_id", ["", "x", "a:b:c", "1:2:3", "x:-1:0", "0:" + "9" * 500 + ":0"])
def test_a_place_to_resume_from_that_is_none_is_the_beginning(service: Service, last_event_id: str):
    job_id = service.run(stdin="all of it")["job_id"]

    with following(service, job_id, last_event_id) as events:
        told = [_told(event) for event in events if event["event"] == "output"]

    assert told == [("stdout", 0, b"all of it")]


def test_a_job_that_has_ended_is_told_from_its_result(service: Service):
    job_id = service.run(stdin="안녕\n")["job_id"]

    with following(service, job_id) as events:
        execution, output, end = events

    assert execution["event"] == "execution"
    assert output == {
        "event": "output",
        "id": output["id"],
        "stream": "stdout",
        "offset": 0,
        "text": "안녕\n",
    }
    assert (end["event"], end["status"], end["reason"]) == ("end", "SUCCESS", None)


def test_nul_is_kept_in_every_form_of_output(service: Service, program: Program):
    program.end(stdout=Output.of("a\0b\n"), status=JobStatus.SUCCESS, exit_code=0)
    job_id = service.run()["job_id"]

    with following(service, job_id) as events:
        _execution, stdout, _end = events

    assert stdout["text"] == "a\0b\n"
    job = service.http.get(f"/api/jobs/{job_id}").json()
    assert job["data"]["result"]["stdout"] == "a\0b\n"


def test_what_a_result_has_only_in_part_is_told_as_such(service: Service, program: Program):
    program.end(
        stdout=Output("head … tail", 100_000, truncated=True),
        stderr=Output("\N{REPLACEMENT CHARACTER}", 1),
        status=JobStatus.FAILED,
        reason=Reason.NONZERO_EXIT,
        exit_code=1,
    )
    job_id = service.run()["job_id"]

    with following(service, job_id) as events:
        _execution, stdout, stderr, end = events

    assert (stdout["text"], stdout["exact"]) == ("head … tail", False)
    assert (stderr["text"], stderr["exact"]) == ("\N{REPLACEMENT CHARACTER}", False)
    assert (end["status"], end["reason"]) == ("FAILED", "nonzero_exit")


def test_a_job_that_is_cancelled_before_it_ran_just_ends(service: Service):
    job_id = service.upload()["job_id"]
    service.http.post(f"/api/cancel/{job_id}").raise_for_status()

    with following(service, job_id) as events:
        (end,) = events

    assert (end["event"], end["status"], end["reason"]) == ("end", "CANCELLED", "cancelled")


def test_a_lost_event_only_delays_the_end(
    service: Service, program: Program, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service.notifier, "_wake", lambda *_: None)
    job_id = service.upload(execute=True)["job_id"]

    with following(service, job_id) as events:
        next(events)
        program.end(stdout=Output.of("unheard\n"))
        output, end = events

    assert _told(output) == ("stdout", 0, b"unheard\n")
    assert end["status"] == "SUCCESS"


@pytest.fixture
def followers(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[OutputListener]:
    """The followers of output, of all executions."""
    feed = service.container.output_feed()
    follow, listeners = feed.follow, []

    def follow_and_note(execution_id, listener):
        leave = follow(execution_id, listener)
        listeners.append(listener)

        def leave_and_note():
            leave()
            listeners.remove(listener)

        return leave_and_note

    monkeypatch.setattr(feed, "follow", follow_and_note)
    return listeners


def test_who_leaves_is_forgotten_at_once(service: Service, program: Program, followers: list[OutputListener]):
    job_id = service.upload(execute=True)["job_id"]

    with following(service, job_id) as events:
        next(events)
        assert len(followers) == 1

    assert eventually(lambda: not service.is_waited_for(job_id) and not followers)
    program.end()


def test_readers_of_one_program_share_its_output(
    service: Service, program: Program, followers: list[OutputListener]
):
    job_id = service.upload(execute=True)["job_id"]

    with following(service, job_id) as first, following(service, job_id) as second:
        for events in (first, second):
            next(events)
        program.write(b"one\n")
        seen = [next(event for event in events if event["event"] == "output") for events in (first, second)]
        with following(service, job_id) as late:
            seen.append(next(event for event in late if event["event"] == "output"))
            assert len(followers) == 1
        program.write(b"two\n")
        last = [next(event for event in events if event["event"] == "output") for events in (first, second)]

    is_left = eventually(lambda: not followers)
    program.end()

    assert is_left
    assert [_told(event) for event in seen] == [("stdout", 0, b"one\n")] * 3
    assert [_told(event) for event in last] == [("stdout", 4, b"two\n")] * 2
    assert len({event["id"] for event in seen}) == len({event["id"] for event in last}) == 1


def test_who_reads_slowly_costs_a_bounded_amount(
    service: Service, program: Program, followers: list[OutputListener]
):
    job_id = service.upload(execute=True)["job_id"]
    piece = b"x" * 65_535 + b"\n"

    with following(service, job_id) as events:
        next(events)
        for _ in range(400):  # 25 MiB that are not read
            program.write(piece)
        (follower,) = followers
        live = follower.__self__
        assert max(live.kept.weight, *(reader.items.weight for reader in live.readers), 0) <= 3 << 20
        program.end(stdout=Output("…", 400 * len(piece), truncated=True))
        told = [_told(event) for event in events if event["event"] == "output"]

    assert all(data.endswith(b"\n") and not offset % len(piece) for _stream, offset, data in told)
    assert told[0][1] == 0


def test_a_reader_who_has_much_already_is_told_the_rest_at_once(service: Service, program: Program):
    # Given a program whose output fills what is taken at once, and a reader who has seen it all
    job_id = service.upload(execute=True)["job_id"]
    with following(service, job_id) as events:
        next(events)
        for _ in range(8):
            program.write(b"x" * 32_767 + b"\n")
        seen = next(
            event["id"] for event in events if event["event"] == "output" and _told_to(event) == 8 << 15
        )

    # When the reader comes back, and the program goes on
    with following(service, job_id, last_event_id=seen) as events:
        program.write(b"more\n")
        begin = time.monotonic()
        told = next(_told(event) for event in events if event["event"] == "output")

    assert told == ("stdout", 8 << 15, b"more\n")
    assert time.monotonic() - begin < 9  # and not at the next sign of life
    program.end()


def _run_for(service: Service, output: bytes) -> str:
    """Run a program that has written this much; return its job's id."""
    service.engine.program = lambda *_: EngineReport(
        ExecutionResult(status=JobStatus.SUCCESS, stdout=Output("…", len(output), truncated=True)),
        stdout=io.BytesIO(output),
        stderr=io.BytesIO(),
    )
    return service.run()["job_id"]


def test_readers_who_do_not_read_keep_nothing_from_others(tmp_path):
    # Given more readers of a large log than may read one at once, none of whom takes anything
    with serving(tmp_path) as service:
        output = b"x" * (6 << 20)
        job_id = _run_for(service, output)
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(_silent_reader(service, f"/api/jobs/{job_id}/output?offset=0"))

            # When another one asks for it, then it gets all of it
            with following(service, job_id, query="?offset=0") as events:
                told = [_told(event) for event in events if event["event"] == "output"]
            assert sum(len(data) for _stream, _offset, data in told) == len(output)

            # And when the server stops, it does not wait for them
            connections = service.server.server_state.connections
            assert eventually(lambda: sum(one.flow.write_paused for one in connections) == 10)
            service.server.should_exit = True
            assert eventually(lambda: not connections)


def test_a_reader_who_takes_nothing_for_long_is_hung_up_on(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "_TAKE_WITHIN_S", 0.2)
    job_id = _run_for(service, b"x" * (6 << 20))
    connections = service.server.server_state.connections
    with _silent_reader(service, f"/api/jobs/{job_id}/output?offset=0"):
        assert eventually(lambda: any(one.flow.write_paused for one in connections))
        assert eventually(lambda: not any(one.flow.write_paused for one in connections))


def test_a_server_that_stops_ends_its_streams(tmp_path):
    with serving(tmp_path) as service:
        program = Program()
        service.engine.program = program
        job_id = service.upload(execute=True)["job_id"]
        try:
            with following(service, job_id) as events:
                next(events)
                service.server.should_exit = True
                assert "end" not in [event["event"] for event in events]
        finally:
            program.may_end.set()
