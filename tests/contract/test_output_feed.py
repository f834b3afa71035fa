"""The contract of every output feed, among the threads of a process and between processes."""

import threading
import time
from datetime import UTC, datetime
from queue import Empty, Queue
from uuid import uuid4

import pytest

from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.redis_feed.output_feed import RedisOutputFeed
from application.ports.output_feed import OutputChunk, Stream, UsageSample
from domain.values import ExecutionId
from tests.support.processes import eventually
from tests.support.redis_server import redis_server

WITHIN_S = 60
KEPT_BYTES = 256 << 10


class Follower:
    """Follows an execution, and joins its chunks, stream by stream."""

    def __init__(self, feed, execution_id):
        self._chunks = Queue()
        self.offsets = dict.fromkeys(Stream)
        self.data = dict.fromkeys(Stream, b"")
        self.leave = feed.follow(execution_id, self._chunks.put)

    def read(self, timeout=WITHIN_S):
        chunk = self._chunks.get(timeout=timeout)
        if self.offsets[chunk.stream] is None:
            self.offsets[chunk.stream] = chunk.offset
        expected = self.offsets[chunk.stream] + len(self.data[chunk.stream])
        assert chunk.offset == expected, "a gap, or the same bytes twice"
        self.data[chunk.stream] += chunk.data
        return chunk

    def read_up_to(self, end, stream=Stream.STDOUT):
        while (self.offsets[stream] or 0) + len(self.data[stream]) < end:
            self.read()
        return self.data[stream]

    def hears_nothing(self, for_s=0.1):
        try:
            self.read(for_s)
        except Empty:
            return True
        return False


class Program:
    """Appends to a feed as a program's engine does."""

    def __init__(self, feed, execution_id=None):
        self._feed = feed
        self.execution_id = execution_id or ExecutionId(uuid4())
        self.written = dict.fromkeys(Stream, 0)

    def print(self, data, stream=Stream.STDOUT):
        self._feed.append(self.execution_id, OutputChunk(stream, self.written[stream], data))
        self.written[stream] += len(data)

    def end(self):
        self._feed.close(self.execution_id)


@pytest.fixture(scope="module")
def server():
    with redis_server() as server:
        yield server


@pytest.fixture(params=["in process", "redis"])
def make_feed(request):
    feeds = []

    def make():
        local = InProcessOutputFeed(KEPT_BYTES)
        if request.param == "redis":
            url = request.getfixturevalue("server").url
            feeds.append(RedisOutputFeed(url, local, KEPT_BYTES, linger_s=0.2))
        else:
            feeds.append(local)
        feeds[-1].start()
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.stop()


@pytest.fixture
def feed(make_feed):
    return make_feed()


@pytest.fixture
def program(feed):
    return Program(feed)


def test_a_follower_is_given_what_comes_with_its_place_in_its_stream(feed, program):
    follower = Follower(feed, program.execution_id)
    program.print(b"one\n")
    program.print(b"oops\n", Stream.STDERR)
    program.print(b"two\n")
    assert follower.read_up_to(8) == b"one\ntwo\n"
    assert follower.read_up_to(5, Stream.STDERR) == b"oops\n"


@pytest.mark.parametrize("at", [None, datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)])
def test_output_comes_with_the_time_of_its_arrival(feed, program, at):
    follower = Follower(feed, program.execution_id)
    feed.append(program.execution_id, OutputChunk(Stream.STDOUT, 0, b"one\n", at))
    assert follower.read().at == at


def test_a_follower_is_given_what_is_kept_first(feed, program):
    program.print(b"before ")
    follower = Follower(feed, program.execution_id)
    program.print(b"after")
    assert follower.read_up_to(12) == b"before after"


def test_the_two_streams_keep_their_order(feed, program):
    follower = Follower(feed, program.execution_id)
    expected = []
    for number in range(20):
        stream = Stream.STDOUT if number % 2 else Stream.STDERR
        program.print(b"%d\n" % number, stream)
        expected.append(stream)
    assert [follower.read().stream for _ in expected] == expected


@pytest.mark.parametrize("data", [b"\0\xff\xfe", "漢字\n".encode(), bytes(range(256)) * 200])
def test_every_byte_arrives(feed, program, data):
    follower = Follower(feed, program.execution_id)
    program.print(data)
    assert follower.read_up_to(len(data)) == data


def test_executions_do_not_mix(feed):
    one, other = Program(feed), Program(feed)
    follower_of_one, follower_of_other = Follower(feed, one.execution_id), Follower(feed, other.execution_id)
    one.print(b"one")
    other.print(b"other")
    assert follower_of_one.read_up_to(3) == b"one"
    assert follower_of_other.read_up_to(5) == b"other"
    assert follower_of_one.hears_nothing()


def test_several_followers_of_one_execution_are_all_given_everything(feed, program):
    program.print(b"a")
    first = Follower(feed, program.execution_id)
    first.read_up_to(1)
    program.print(b"b")
    second = Follower(feed, program.execution_id)
    program.print(b"c")
    assert first.read_up_to(3) == b"abc"
    assert second.read_up_to(3) == b"abc"


def test_who_has_left_is_given_nothing_more_and_may_leave_twice(feed, program):
    left, stays = Follower(feed, program.execution_id), Follower(feed, program.execution_id)
    left.leave()
    left.leave()
    program.print(b"x")
    assert stays.read_up_to(1) == b"x"
    assert left.hears_nothing()


def test_who_comes_back_is_given_what_is_kept_again(feed, program):
    program.print(b"x")
    first = Follower(feed, program.execution_id)
    first.read_up_to(1)
    first.leave()
    again = Follower(feed, program.execution_id)
    program.print(b"y")
    assert again.read_up_to(2) == b"xy"


def a_usage(cpu_time_ms=1, **figures):
    return UsageSample(execution_time_ms=2, cpu_time_ms=cpu_time_ms, **figures)


def test_a_follower_is_given_the_usage_of_the_program_between_its_output(feed, program):
    items = Queue()
    feed.follow(program.execution_id, items.put)
    usage = a_usage(memory_mb=3.5, processes=4)

    program.print(b"before")
    feed.measure(program.execution_id, usage)
    program.print(b"after")

    received = [items.get(timeout=WITHIN_S) for _ in range(3)]
    assert received == [
        OutputChunk(Stream.STDOUT, 0, b"before"),
        usage,
        OutputChunk(Stream.STDOUT, 6, b"after"),
    ]


def test_a_later_follower_is_given_the_last_usage_and_no_usage_is_output(feed, program):
    first, later = Queue(), Queue()
    feed.follow(program.execution_id, first.put)
    program.print(b"output")
    for cpu_time_ms in (1, 2):
        feed.measure(program.execution_id, a_usage(cpu_time_ms))
    assert [first.get(timeout=WITHIN_S) for _ in range(3)][-1] == a_usage(2)

    feed.follow(program.execution_id, later.put)

    assert later.get(timeout=WITHIN_S).data == b"output"
    assert later.get(timeout=WITHIN_S) == a_usage(2)
    assert [chunk.data for chunk in feed.recall(program.execution_id)] == [b"output"]


def test_no_more_is_kept_than_the_latest_up_to_the_bound(feed, program):
    # Given a program that wrote ten times what is kept
    piece = b"x" * 1_000
    for _ in range(10 * KEPT_BYTES // len(piece)):
        program.print(piece)
    settle(feed, program)
    # When it is followed after that
    follower = Follower(feed, program.execution_id)
    data = follower.read_up_to(program.written[Stream.STDOUT])
    # Then the latest part is given, to its very end
    assert KEPT_BYTES // 4 < len(data) <= KEPT_BYTES


def test_what_is_kept_does_not_grow_with_the_number_of_chunks(feed, program):
    for _ in range(4 * KEPT_BYTES // 256):
        program.print(b"x", Stream.STDOUT)
        program.print(b"y", Stream.STDERR)
    settle(feed, program)
    follower = Follower(feed, program.execution_id)
    data = follower.read_up_to(program.written[Stream.STDOUT])
    assert 1 <= len(data) <= KEPT_BYTES // 256


def test_a_follower_at_any_moment_has_no_gap_and_nothing_twice(feed, program):
    # Given a program that writes all the time
    lines = [b"line %d\n" % number for number in range(500)]

    def write():
        for line in lines:
            program.print(line)

    writer = threading.Thread(target=write)
    # When followers come one after the other meanwhile
    writer.start()
    followers = []
    while writer.is_alive():
        followers.append(Follower(feed, program.execution_id))
        time.sleep(0.001)  # they are to come at different moments; nothing waits for this
    writer.join()
    # Then each of them reads the same text to its end
    text = b"".join(lines)
    for follower in followers:
        assert follower.read_up_to(len(text)) == text[follower.offsets[Stream.STDOUT] :]


def test_an_execution_that_is_closed_is_forgotten_soon(feed, program):
    program.print(b"gone")
    program.end()
    deadline = time.monotonic() + WITHIN_S
    while not is_forgotten(feed, program.execution_id):
        assert time.monotonic() < deadline


def test_what_is_kept_is_recalled_and_no_more(feed, program):
    assert list(feed.recall(program.execution_id)) == []
    program.print(b"one")
    program.print(b"two", Stream.STDERR)
    settle(feed, program)

    recalled = {(chunk.stream, chunk.offset, chunk.data) for chunk in feed.recall(program.execution_id)}

    assert recalled >= {(Stream.STDOUT, 0, b"one"), (Stream.STDERR, 0, b"two")}
    program.end()
    assert eventually(lambda: not feed.recall(program.execution_id))


def test_closing_what_was_never_written_is_no_error(feed):
    feed.close(ExecutionId(uuid4()))


def test_an_execution_that_runs_again_after_it_was_closed_starts_afresh(feed, program):
    # Given an execution that was followed while a worker ran it and gave it back
    follower = Follower(feed, program.execution_id)
    program.print(b"half a l")
    follower.read_up_to(8)
    follower.leave()
    program.end()
    # When another runs it from its start
    again = Program(feed, program.execution_id)
    again.print(b"whole\n")
    settle(feed, again)
    # Then a follower is given the new output only
    assert Follower(feed, program.execution_id).read_up_to(6) == b"whole\n"


def test_a_follower_that_raises_is_logged_and_harms_no_other(feed, program, caplog):
    def fail(_):
        raise RuntimeError("a bug in a follower")

    feed.follow(program.execution_id, fail)
    follower = Follower(feed, program.execution_id)
    program.print(b"x")
    assert follower.read_up_to(1) == b"x"
    assert "a bug in a follower" in caplog.text


def test_a_follower_may_leave_while_it_is_called(feed, program):
    called = Queue()
    leave = []

    def listen(chunk):
        leave[0]()
        called.put(chunk)

    leave.append(feed.follow(program.execution_id, listen))
    program.print(b"x")
    assert called.get(timeout=WITHIN_S).data == b"x"
    other = Follower(feed, program.execution_id)
    program.print(b"y")
    assert other.read_up_to(2) == b"xy"
    assert called.empty()


@pytest.mark.parametrize("make_feed", ["redis"], indirect=True)
def test_output_is_followed_in_another_process_within_fifty_milliseconds(make_feed):
    # Given a worker's feed, and an API process's that follows one execution already
    worker, api = make_feed(), make_feed()
    program, other = Program(worker), Program(worker)
    busy = Follower(api, other.execution_id)
    other.print(b"x")
    busy.read_up_to(1)
    # When it begins to follow another, whose program prints line by line
    follower = Follower(api, program.execution_id)
    delays = []
    for number in range(1, 20):
        printed_at = time.monotonic()
        program.print(b"x")
        follower.read_up_to(number)
        delays.append(time.monotonic() - printed_at)
    # Then a line arrives before anybody notices
    # In most cases; on a busy machine, in some of them
    assert sorted(delays)[len(delays) // 4] < 0.05


def settle(feed, program):
    """Return when the last that a program wrote can be followed."""
    chunks = Queue()
    leave = feed.follow(program.execution_id, chunks.put)
    missing = {stream: end for stream, end in program.written.items() if end}
    while missing:
        chunk = chunks.get(timeout=WITHIN_S)
        if chunk.offset + len(chunk.data) == missing.get(chunk.stream):
            del missing[chunk.stream]
    leave()


def is_forgotten(feed, execution_id):
    follower = Follower(feed, execution_id)
    try:
        return follower.hears_nothing()
    finally:
        follower.leave()
