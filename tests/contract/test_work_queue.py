"""The contract of work queues, counted in memory, in a process, and on Redis."""

import logging
from threading import Thread

import pytest

from adapters.in_process.work_queue import InProcessWorkQueue
from adapters.redis_work_queue.work_queue import RedisWorkQueue
from application.errors import DependencyUnavailable
from tests.support.memory.work_queue import MemoryWorkQueue
from tests.support.processes import eventually
from tests.support.queue_messages import Handler, woken
from tests.support.redis_server import redis_server

FULL = 50


class Memory:
    """A queue that only counts."""

    def __init__(self):
        self.queue = MemoryWorkQueue()

    def fail(self):
        self.queue.is_available = False


class InProcess:
    """A queue in this process, which fails by being full."""

    def __init__(self):
        self.queue = InProcessWorkQueue(max_waiting=FULL)

    def fail(self):
        self.queue.wake(FULL)


class Redis:
    """A queue on a Redis, which fails by being killed."""

    def __init__(self, server):
        self.queue = RedisWorkQueue(server.url, max_waiting=FULL)
        self.fail = server.kill


@pytest.fixture(params=["memory", "in process", "redis"])
def case(request):
    if request.param == "memory":
        yield Memory()
    elif request.param == "in process":
        yield InProcess()
    else:
        with redis_server() as server:
            redis = Redis(server)
            yield redis
            redis.queue.close()


that_wakes = pytest.mark.parametrize("case", ["in process", "redis"], indirect=True)


@that_wakes
def test_a_worker_is_woken_once_for_each_wake_up(case):
    handler = Handler()
    with woken(case.queue, handler):
        case.queue.wake(3)
        for _ in range(3):
            handler.next()
        assert case.queue.backlog() == 0
    assert handler.handled.empty()


@that_wakes
def test_wake_ups_that_came_before_the_worker_wake_it(case):
    case.queue.wake(20)
    handler = Handler()
    with woken(case.queue, handler):
        for _ in range(20):
            handler.next()


def test_waking_no_worker_does_nothing(case):
    case.queue.wake(0)
    assert case.queue.backlog() == 0


@that_wakes
def test_several_threads_enqueue_at_once_and_every_wake_up_arrives(case):
    handler = Handler()
    with woken(case.queue, handler):
        threads = [Thread(target=case.queue.wake, args=(10,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(40):
            handler.next()


def test_a_queue_works_when_it_is_asked_whether_it_does(case):
    case.queue.check()


def test_a_wake_up_that_cannot_be_enqueued_is_refused_in_words_without_an_address(case):
    case.fail()
    with pytest.raises(DependencyUnavailable) as refusal:
        case.queue.wake(1)
    assert refusal.value.dependency == "queue"
    assert "127.0.0.1" not in str(refusal.value)


@pytest.mark.parametrize("case", ["memory", "redis"], indirect=True)
def test_a_queue_that_is_gone_is_found_out_when_it_is_asked_for(case):
    case.fail()
    with pytest.raises(DependencyUnavailable):
        case.queue.check()


def test_the_backlog_is_the_wake_ups_that_no_worker_has_taken(case):
    assert case.queue.backlog() == 0
    case.queue.wake(1)
    case.queue.wake(1)
    assert case.queue.backlog() == 2


@that_wakes
def test_a_queue_that_is_full_refuses_and_takes_again_when_there_is_room(case):
    case.queue.wake(FULL)
    with pytest.raises(DependencyUnavailable, match=f"{FULL} wake-ups are already queued"):
        case.queue.wake(1)
    handler = Handler()
    with woken(case.queue, handler):
        for _ in range(FULL):
            handler.next()
        assert eventually(lambda: takes_one(case.queue))
        handler.next()


@that_wakes
def test_a_queue_that_is_full_is_still_available(case):
    case.queue.wake(FULL)
    with pytest.raises(DependencyUnavailable, match="already queued"):
        case.queue.wake(1)

    case.queue.check()
    assert case.queue.backlog() == FULL


def takes_one(queue):
    try:
        queue.wake(1)
    except DependencyUnavailable:  # a moment ago it was full
        return False
    return True


class Failing:
    """A handler that fails once."""

    def __init__(self, error):
        self.error = error
        self.handled = Handler()

    def __call__(self, _content=None):
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.handled()


@that_wakes
@pytest.mark.parametrize("error", [DependencyUnavailable("database", "it is away"), RuntimeError("a bug")])
def test_a_wake_up_whose_handler_fails_is_dropped_and_the_next_one_is_handled(case, caplog, error):
    failing = Failing(error)
    with woken(case.queue, failing, threads=1), caplog.at_level(logging.WARNING):
        case.queue.wake(2)
        failing.handled.next()
    assert failing.handled.handled.empty()
    detail = f": {error}" if isinstance(error, DependencyUnavailable) else ""
    logged = [record.message for record in caplog.records if record.name == "service_server.worker"]
    assert logged == [f"a wake-up was dropped{detail}"]
