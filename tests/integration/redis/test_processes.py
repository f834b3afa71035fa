"""Worker processes share a queue, and one's end is not the end of its messages."""

import subprocess
import sys
from contextlib import contextmanager

from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.dramatiq_queue.routes import EXECUTIONS
from tests.support.processes import eventually
from tests.support.work_messages import Handler, hint, working

QUEUE_KEY = f"service_server:{EXECUTIONS}"
HEARTBEATS_KEY = "service_server:__heartbeats__"


@contextmanager
def worker_process(server):
    """Run a worker of one thread in a process of its own; its first line is awaited."""
    command = [sys.executable, "-m", "tests.integration.redis.queue_worker_process", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def let_go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_message_does_not_wait_behind_a_long_one_while_another_process_is_idle(server, publisher):
    with worker_process(server) as one, worker_process(server) as other:
        # When two messages come of which each takes long
        publisher.publish([hint(number=1), hint(number=2)])
        # Then each process has begun with one of them
        assert {one.stdout.readline(), other.stdout.readline()} == {"1\n", "2\n"}


def test_processes_share_a_queue_and_no_message_is_handled_twice(server, publisher):
    with worker_process(server) as one, worker_process(server) as other:
        publisher.publish([hint(number=number) for number in range(10)])
        for process in (one, other):
            for _ in range(10):
                let_go(process)
        with server.client() as client:
            assert eventually(lambda: client.hlen(f"{QUEUE_KEY}.msgs") == 0)
        for process in (one, other):
            process.kill()
        handled = one.stdout.read() + other.stdout.read()
        assert sorted(map(int, handled.split())) == list(range(10))


def test_what_a_killed_process_had_in_hand_is_given_to_another(server, publisher):
    with server.client() as client:
        # Given a process that is killed in the middle of a message
        with worker_process(server) as killed:
            publisher.publish([hint(number=1)])
            assert killed.stdout.readline() == "1\n"
            killed.kill()
        # When nothing has been heard of it for long enough
        client.zadd(HEARTBEATS_KEY, dict.fromkeys(client.zrange(HEARTBEATS_KEY, 0, -1), 0))
        with worker_process(server) as heir:
            # Then another process takes the message over
            assert heir.stdout.readline() == "1\n"


def test_a_busy_process_counts_as_alive(server, publisher):
    with server.client() as client, worker_process(server) as busy:
        # Given a process whose only thread is busy
        publisher.publish([hint(number=1)])
        assert busy.stdout.readline() == "1\n"
        # When all that was heard of it is forgotten
        client.delete(HEARTBEATS_KEY)
        # Then it is heard of again
        assert eventually(lambda: client.zcard(HEARTBEATS_KEY) == 1)


def test_a_worker_that_stops_waits_for_what_runs_and_gives_the_rest_back(server, broker, publisher):
    # Given a worker with one message in hand, and more that wait
    handler = Handler()
    with working(broker, handler, threads=1) as worker, server.client() as client:
        publisher.publish([running := hint(hold=True), hint(), hint()])
        assert handler.next() == running
        # When it stops before that message is done
        assert not worker.stop(timeout_s=0.2)
        # Then it has begun with no other
        assert handler.handled.empty()
        assert client.llen(QUEUE_KEY) == 2
        handler.let_go.set()
        # And what ran is acknowledged at its end
        assert eventually(lambda: client.hlen(f"{QUEUE_KEY}.msgs") == 2)


def test_what_a_worker_gave_back_wakes_another(server, broker, publisher):
    # Given a worker that has taken a message which it cannot begin with, and another that is idle
    handler, other_handler = Handler(), Handler()
    with working(broker, handler, threads=1) as worker:
        consumer = broker.consume(EXECUTIONS, prefetch=5)
        publisher.publish([hint(hold=True)])
        handler.next()
        publisher.publish([taken := hint()])
        message = next(consumer)
        other_broker = RedisQueueBroker(server.url)
        with working(other_broker, other_handler):
            # When it gives it back
            consumer.requeue([message])
            # Then the other handles it
            assert other_handler.next(within_s=0.4) == taken
        other_broker.close()
        handler.let_go.set()
        worker.stop(timeout_s=5)
