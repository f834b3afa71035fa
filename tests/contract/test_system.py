"""The clock and the identifiers, of the system and in memory."""

import threading
from datetime import UTC, timedelta
from itertools import pairwise
from uuid import RFC_4122

import pytest

from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator, worker_name
from domain.execution_lifecycle import ExecutionState, held_state
from tests.support.memory.clock import MemoryClock
from tests.support.memory.id_generator import MemoryIdGenerator


@pytest.fixture(params=[SystemClock, MemoryClock])
def clock(request):
    return request.param()


@pytest.fixture(params=[Uuid7Generator, MemoryIdGenerator])
def ids(request):
    return request.param()


def test_the_time_is_in_utc_and_aware(clock):
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.now().tzinfo is UTC


def test_monotonic_time_does_not_run_backwards(clock):
    times = [clock.monotonic() for _ in range(1_000)]
    assert times == sorted(times)


def test_a_sleep_lasts_as_long_as_it_is_asked_to(clock):
    began = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - began >= 0.01


def test_an_id_is_a_uuid_of_version_7(ids):
    new = ids.new()
    assert (new.version, new.variant) == (7, RFC_4122)


def test_ids_rise_strictly_in_every_form_that_they_are_stored_in(ids):
    new = [ids.new() for _ in range(10_000)]
    assert all(a < b for a, b in pairwise(new))
    assert [str(i) for i in new] == sorted(str(i) for i in new)
    assert [i.bytes for i in new] == sorted(i.bytes for i in new)


def test_threads_never_get_the_same_id_and_each_sees_its_own_rise(ids):
    # Given eight threads that start together
    barrier = threading.Barrier(8)
    taken = [[] for _ in range(8)]

    def take(mine):
        barrier.wait()
        mine.extend(ids.new() for _ in range(2_000))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in taken]
    # When each takes ids
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then none is taken twice, and every thread's are in order
    assert len({i for mine in taken for i in mine}) == 16_000
    assert all(mine == sorted(mine) for mine in taken)


def test_an_id_tells_the_millisecond_that_it_was_made_in():
    now_ns = 1_767_225_600_123_456_789
    new = Uuid7Generator(lambda: now_ns).new()
    assert new.int >> 80 == 1_767_225_600_123
    # 456,789 ns of the millisecond, in 4,096ths of it
    assert new.int >> 64 & 0xFFF == 456_789 * 4_096 // 1_000_000


@pytest.mark.parametrize("step_ns", [0, -1, -3_600 * 10**9])
def test_ids_rise_when_the_clock_does_not(step_ns):
    # Given a clock that is set back, or is too coarse to move
    times = iter(1_767_225_600 * 10**9 + n * step_ns for n in range(5_000))
    ids = Uuid7Generator(lambda: next(times))
    # When ids are made meanwhile
    new = [ids.new() for _ in range(5_000)]
    # Then they rise all the same
    assert all(a < b for a, b in pairwise(new))


@pytest.mark.parametrize("host", ["build-7", "engine", "log-spool"])
def test_a_worker_has_a_name_that_is_no_engine_s_and_no_spool_s(monkeypatch, host):
    monkeypatch.setattr("socket.gethostname", lambda: host)

    name = worker_name()

    assert host in name
    assert name != worker_name()
    assert held_state(name) is ExecutionState.CLAIMED
