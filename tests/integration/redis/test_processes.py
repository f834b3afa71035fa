"""Worker processes share the queues, and one's end is not the end of its messages."""

import subprocess
import sys
from contextlib import contextmanager

from adapters.dramatiq_queue.messages import COMPLETIONS
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from tests.support.processes import eventually
from tests.support.queue_messages import Handler, completion, on_the_wire, working

COMPLETIONS_KEY = f"service_server:{COMPLETIONS}"
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


def send(broker, *numbers):
    for number in numbers:
        broker.enqueue(on_the_wire(completion(number=number)))


def test_a_wake_up_does_not_wait_behind_a_long_execution_while_another_process_is_idle(server, queue):
    with worker_process(server) as one, worker_process(server) as other:
        # When two wake-ups come of which each leads to something long
        queue.wake(2)
        # Then each process has begun with one of them
        assert {one.stdout.readline(), other.stdout.readline()} == {"woken\n"}


def test_processes_share_a_queue_and_no_completion_is_handled_twice(server, broker):
    with worker_process(server) as one, worker_process(server) as other:
        send(broker, *range(10))
        for process in (one, other):
            for _ in range(10):
                let_go(process)
        with server.client() as client:
            assert eventually(lambda: client.hlen(f"{COMPLETIONS_KEY}.msgs") == 0)
        for process in (one, other):
            process.kill()
        handled = one.stdout.read() + other.stdout.read()
        assert sorted(map(int, handled.split())) == list(range(10))


def test_a_completion_that_a_killed_process_had_in_hand_is_given_to_another(server, broker):
    with server.client() as client:
        # Given a process that is killed in the middle of a completion
        with worker_process(server) as killed:
            send(broker, 1)
            assert killed.stdout.readline() == "1\n"
            killed.kill()
        # When nothing has been heard of it for long enough
        client.zadd(HEARTBEATS_KEY, dict.fromkeys(client.zrange(HEARTBEATS_KEY, 0, -1), 0))
        with worker_process(server) as heir:
            # Then another process takes it over
            assert heir.stdout.readline() == "1\n"


def test_a_busy_process_counts_as_alive(server, broker):
    with server.client() as client, worker_process(server) as busy:
        # Given a process whose only thread is busy
        send(broker, 1)
        assert busy.stdout.readline() == "1\n"
        # When all that was heard of it is forgotten
        client.delete(HEARTBEATS_KEY)
        # Then it is heard of again
        assert eventually(lambda: client.zcard(HEARTBEATS_KEY) == 1)


def test_a_worker_that_stops_waits_for_what_runs_and_gives_the_rest_back(server, broker):
    # Given a worker with one completion in hand, and more that wait
    handler = Handler(holds=True)
    with working(broker, handler, threads=1) as worker, server.client() as client:
        send(broker, 1, 2, 3)
        handler.next()
        # When it stops before that one is done
        assert not worker.stop(timeout_s=0.2)
        # Then it has begun with no other
        assert handler.handled.empty()
        assert client.llen(COMPLETIONS_KEY) == 2
        handler.let_go.set()
        # And the first one is acknowledged at its end
        assert eventually(lambda: client.hlen(f"{COMPLETIONS_KEY}.msgs") == 2)


def test_a_message_that_a_worker_gave_back_wakes_another(server, broker):
    # Given a worker that has taken a completion which it cannot begin with, and another that is idle
    handler, other_handler = Handler(), Handler()
    with working(broker, handler, threads=1) as worker:
        consumer = broker.consume(COMPLETIONS, prefetch=5)
        broker.enqueue(on_the_wire(completion(hold=True)))
        handler.next()
        broker.enqueue(on_the_wire(taken := completion()))
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
