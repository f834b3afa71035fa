"""Feeds over a Redis that restarts, falls silent or is gone: programs never wait for it."""

import time
from contextlib import contextmanager
from dataclasses import replace
from queue import Queue
from uuid import uuid4

import pytest
from redis.client import Redis

from adapters.in_process.event_feed import InProcessEventFeed
from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.redis_feed.event_feed import CHANNEL, STOPS_CHANNEL, RedisEventFeed
from adapters.redis_feed.output_feed import RedisOutputFeed
from adapters.redis_feed.output_stream import stream_key
from application.errors import DependencyUnavailable
from application.ports.output_feed import OutputChunk, Stream
from domain.values import ExecutionId
from tests.support.processes import eventually
from tests.support.queue_messages import WITHIN_S, fact
from tests.support.redis_server import redis_server
from tests.support.tcp_proxy import TcpProxy, Traffic


@contextmanager
def started(feed):
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()


@pytest.fixture
def event_feed(server):
    with started(RedisEventFeed(server.url, InProcessEventFeed())) as feed:
        yield feed


@pytest.fixture
def output_feed(server):
    with started(RedisOutputFeed(server.url, InProcessOutputFeed())) as feed:
        yield feed


def hears_again(feed, heard):
    """Publish until a message comes through."""

    def try_it():
        try:
            feed.publish([fact()])
        except DependencyUnavailable:
            return False
        time.sleep(0.02)
        return not heard.empty()

    return eventually(try_it)


# JSON that is nested more deeply than can be read.
DEEP = b"[" * 100_000 + b"]" * 100_000


def line(number, data=b"x"):
    return OutputChunk(Stream.STDOUT, number, data)


def test_events_are_heard_again_after_a_restart(server, event_feed):
    heard = Queue()
    event_feed.subscribe(heard.put)
    server.restart()
    assert hears_again(event_feed, heard)


def test_events_are_heard_though_redis_came_after_the_service(server):
    server.kill()
    with started(RedisEventFeed(server.url, InProcessEventFeed())) as feed:
        heard = Queue()
        feed.subscribe(heard.put)
        server.start()
        assert hears_again(feed, heard)


def test_a_connection_that_went_dead_without_a_word_is_replaced(server, caplog):
    # Given a feed whose connection passes a proxy
    with TcpProxy(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with started(RedisEventFeed(url, InProcessEventFeed(), quiet_s=0.2)) as feed:
            heard = Queue()
            feed.subscribe(heard.put)
            # When nothing goes through any more
            proxy.traffic = Traffic.STALLS
            # Then that is noticed
            assert eventually(lambda: "is not responding" in caplog.text)
            proxy.traffic = Traffic.PASSES
            # And events are heard again when it does
            assert hears_again(feed, heard)


def test_a_process_that_only_runs_programs_hears_what_stops_them_and_nothing_else(server, event_feed):
    # Given an API, and a worker
    with started(RedisEventFeed(server.url, InProcessEventFeed(), STOPS_CHANNEL)) as worker:
        heard_by_api, heard_by_worker = Queue(), Queue()
        event_feed.subscribe(heard_by_api.put)
        worker.subscribe(heard_by_worker.put)
        cancelled = replace(fact(), name="JobCancelled")
        # When either of them publishes
        worker.publish([ended := fact()])
        event_feed.publish([cancelled])
        # Then the API hears everything, once, and the worker what stops a program
        assert [heard_by_api.get(timeout=WITHIN_S) for _ in range(2)] == [ended, cancelled]
        assert heard_by_worker.get(timeout=WITHIN_S) == cancelled
    assert heard_by_api.empty()
    assert heard_by_worker.empty()


def test_bytes_that_are_no_event_are_passed_over(server, event_feed):
    heard = Queue()
    event_feed.subscribe(heard.put)
    with server.client() as client:
        for junk in (b"", b"\xff", b"[]", b"{}", b'{"id": 1, "name": "x", "body": {}}', b"1", b"{", DEEP):
            client.publish(CHANNEL, junk)
    event_feed.publish([sent := fact()])
    assert heard.get(timeout=WITHIN_S) == sent
    assert heard.empty()


def test_events_are_heard_again_whatever_ended_the_listening(server):
    # Given a process that has no memory left for one message
    class Full(InProcessEventFeed):
        is_full = True

        def publish(self, messages):
            if self.is_full:
                self.is_full = False
                raise MemoryError
            super().publish(messages)

    with started(RedisEventFeed(server.url, Full())) as feed:
        heard = Queue()
        feed.subscribe(heard.put)
        feed.publish([fact()])
        # Then it hears others
        assert hears_again(feed, heard)


def test_a_redis_that_is_gone_is_said_when_an_event_is_published(server, event_feed):
    server.kill()
    with pytest.raises(DependencyUnavailable) as refusal:
        event_feed.publish([fact()])
    assert refusal.value.dependency == "event feed"
    assert "127.0.0.1" not in str(refusal.value)


def test_a_program_never_waits_for_a_silent_redis_and_what_waits_is_bounded(server, output_feed):
    # Given a Redis that does not answer
    execution_id = ExecutionId(uuid4())
    piece = b"x" * 10_000
    with server.frozen():
        # When a program writes twenty megabytes
        longest = 0
        for number in range(2_000):
            started_at = time.monotonic()
            output_feed.append(execution_id, line(number * len(piece), piece))
            longest = max(longest, time.monotonic() - started_at)
        # Then no write has waited for Redis
        assert longest < 0.9  # a wait for Redis takes a second
    # And when Redis answers again, the latest of it are there, and no more than is kept
    with server.client() as client:
        assert eventually(lambda: is_last(client, execution_id, 1_999 * len(piece)))
        assert client.memory_usage(stream_key(execution_id)) < 2 << 20


def is_last(client: Redis, execution_id, offset):
    entries = client.xrevrange(stream_key(execution_id), count=1)
    if not entries:
        return False
    _, fields = entries[0]
    return int(fields[b"offset"]) <= offset < int(fields[b"offset"]) + len(fields[b"data"])


def test_output_is_followed_again_after_a_restart(server, output_feed):
    # Given a program that is followed
    execution_id = ExecutionId(uuid4())
    chunks = Queue()
    output_feed.follow(execution_id, chunks.put)
    output_feed.append(execution_id, line(0))
    assert chunks.get(timeout=WITHIN_S) == line(0)
    # When Redis restarts, empty
    server.restart()
    # Then what the program writes afterwards is followed
    output_feed.append(execution_id, line(1))
    assert chunks.get(timeout=WITHIN_S) == line(1)


def test_output_written_while_redis_was_gone_comes_when_it_is_back(server, output_feed):
    execution_id = ExecutionId(uuid4())
    chunks = Queue()
    output_feed.follow(execution_id, chunks.put)
    server.kill()
    output_feed.append(execution_id, line(0))
    server.start()
    assert chunks.get(timeout=WITHIN_S) == line(0)


def test_output_is_followed_after_a_failover(server):
    # Given a program that is followed at an address whose server is demoted while its connections stay open
    execution_id, chunks = ExecutionId(uuid4()), Queue()
    with redis_server() as successor, TcpProxy(server.port) as endpoint:
        url = f"redis://127.0.0.1:{endpoint.port}/0"
        with started(RedisOutputFeed(url, InProcessOutputFeed())) as feed:
            feed.follow(execution_id, chunks.put)
            feed.append(execution_id, line(0))
            assert chunks.get(timeout=WITHIN_S) == line(0)
            # When the address leads to the new primary
            server.follow(successor)
            endpoint.target_port = successor.port
            # Then what the program writes afterwards is followed
            feed.append(execution_id, line(1))
            assert chunks.get(timeout=WITHIN_S) == line(1)


def test_entries_that_are_no_output_are_passed_over(server, output_feed):
    execution_id = ExecutionId(uuid4())
    chunks = Queue()
    with server.client() as client:
        for fields in ({"a": 1}, {"run": 1, "number": "one"}, {"run": 1, "number": 1, "stream": "stdin"}):
            client.xadd(stream_key(execution_id), fields)
    output_feed.follow(execution_id, chunks.put)
    with server.client() as client:
        content = {"run": "r", "number": 1, "stream": "stdout", "offset": 0, "data": "x"}
        client.xadd(stream_key(execution_id), content)
    assert chunks.get(timeout=WITHIN_S) == line(0)


def test_a_key_of_another_type_keeps_no_other_output_away(server, output_feed):
    # Given a program whose output goes where something else lies, both written and followed
    poisoned, wholesome = ExecutionId(uuid4()), ExecutionId(uuid4())
    with server.client() as client:
        client.set(stream_key(poisoned), "x")
    poisoned_chunks = Queue()
    output_feed.follow(poisoned, poisoned_chunks.put)
    output_feed.append(poisoned, line(0))
    # When another program writes, then it is followed
    chunks = Queue()
    output_feed.follow(wholesome, chunks.put)
    for number in range(3):
        output_feed.append(wholesome, line(number))
        assert chunks.get(timeout=WITHIN_S) == line(number)
    # And when the key is free, the first one's output is followed too
    with server.client() as client:
        client.delete(stream_key(poisoned))
    output_feed.append(poisoned, line(1))
    assert poisoned_chunks.get(timeout=WITHIN_S) == line(1)


def test_a_wake_up_stream_of_another_type_is_replaced(server, output_feed):
    # Given a reader whose wake-up stream is something else
    output_feed.follow(ExecutionId(uuid4()), Queue().put)
    with server.client() as client:
        assert eventually(lambda: client.keys("service_server.output.wake_up.*"))
        (wake_up,) = client.keys("service_server.output.wake_up.*")
        client.set(wake_up, "x")
        # Then it has another, and output is followed
        execution_id = ExecutionId(uuid4())
        chunks = Queue()
        output_feed.follow(execution_id, chunks.put)
        output_feed.append(execution_id, line(0))
        assert chunks.get(timeout=WITHIN_S) == line(0)


def test_what_was_written_twice_is_passed_on_once(server, output_feed):
    # Given a writer that did not hear that it had written
    execution_id = ExecutionId(uuid4())
    chunks = Queue()
    output_feed.follow(execution_id, chunks.put)
    first = {"run": "r", "number": 1, "stream": "stdout", "offset": 0, "data": "x"}
    second = {**first, "number": 2, "offset": 1}
    # When it writes again
    with server.client() as client:
        for fields in (first, first, second):
            client.xadd(stream_key(execution_id), fields)
    # Then a follower does not notice
    assert [chunks.get(timeout=WITHIN_S), chunks.get(timeout=WITHIN_S)] == [line(0), line(1)]
    assert chunks.empty()


def test_output_of_an_execution_whose_worker_died_goes_away_by_itself(server, output_feed):
    execution_id = ExecutionId(uuid4())
    output_feed.append(execution_id, line(0))
    with server.client() as client:
        assert eventually(lambda: 0 < client.ttl(stream_key(execution_id)) <= 3_600)


def test_output_of_an_execution_that_ended_goes_away_though_a_later_one_writes_much(server, output_feed):
    # Given output of an execution in a Redis that no longer answers
    ended, loud = ExecutionId(uuid4()), ExecutionId(uuid4())
    output_feed.append(ended, line(0))
    with server.client() as client:
        assert eventually(lambda: client.ttl(stream_key(ended)) > 60)
        with server.frozen():
            # When the execution ends, and another one writes more than may wait
            output_feed.close(ended)
            for number in range(1_000):
                output_feed.append(loud, line(number * 10_000, b"x" * 10_000))
        # Then the output of the first is soon deleted
        assert eventually(lambda: client.ttl(stream_key(ended)) <= 60)


def test_output_that_waits_at_the_end_is_written_before_the_feed_stops(server):
    execution_id = ExecutionId(uuid4())
    with started(RedisOutputFeed(server.url, InProcessOutputFeed())) as feed:
        for number in range(100):
            feed.append(execution_id, line(number))
    with server.client() as client:
        assert is_last(client, execution_id, 99)


def test_the_feeds_stop_soon_though_redis_is_gone(server):
    with started(RedisOutputFeed(server.url, InProcessOutputFeed())) as output_feed:
        output_feed.follow(ExecutionId(uuid4()), Queue().put)
        with started(RedisEventFeed(server.url, InProcessEventFeed())):
            server.kill()
            output_feed.append(ExecutionId(uuid4()), line(0))
            started_at = time.monotonic()
    assert time.monotonic() - started_at < 20
