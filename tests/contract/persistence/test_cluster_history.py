"""The history of the queue and of the machines in every store."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from application.ports.cluster_history import ClusterSample, HistoryStep

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEPS = (
    HistoryStep(60, timedelta(minutes=5)),
    HistoryStep(600, timedelta(hours=1)),
    HistoryStep(3_600, timedelta(days=2)),
)


def a_sample(**changed):
    figures = {"waiting": 1, "running": 2, "oldest_wait_ms": 3, "measured": 0}
    return ClusterSample(**{**figures, **changed})


def add(store, minute, sample=None, steps=STEPS):
    return store.run(lambda transaction: transaction.cluster_history.add(minute, sample or a_sample(), steps))


def read(store, step_s, since=NOON - timedelta(days=30), until=NOON + timedelta(days=30)):
    return list(store.run(lambda transaction: transaction.cluster_history.read(step_s, since, until)))


def test_the_present_minute_is_missing_until_it_has_a_sample(store):
    def missing(began_s=0.0):
        return store.run(lambda transaction: transaction.cluster_history.missing_minute(began_s))

    now = store.run(lambda transaction: transaction.heartbeats.beat("worker"))
    minute = missing()
    assert minute in {begin.replace(second=0, microsecond=0) for begin in (now, now + MINUTE)}
    assert missing(began_s=60.0) is None

    # The minute may end meanwhile, on a busy machine: the next one has its sample too.
    assert add(store, minute)
    assert add(store, minute + MINUTE)

    assert missing() is None


def test_a_minute_has_one_sample(store):
    assert add(store, NOON, a_sample(waiting=7))
    assert not add(store, NOON, a_sample(waiting=8))

    assert read(store, 60) == [(NOON, a_sample(waiting=7))]
    assert read(store, 3_600) == [(NOON, a_sample(waiting=7))]


def test_longer_times_have_the_queue_at_its_longest_and_the_average_of_the_machines(store):
    add(store, NOON, a_sample(waiting=5, cpu_percent=10.0, memory_percent=40.0, measured=1))
    add(store, NOON + MINUTE, a_sample(running=9, oldest_wait_ms=1 << 40))
    add(store, NOON + 2 * MINUTE, a_sample(cpu_percent=40.0, memory_percent=None, measured=1))
    add(store, NOON + 10 * MINUTE, a_sample(cpu_percent=70.0, measured=1))

    assert [begin for begin, _sample in read(store, 60)] == [NOON + 10 * MINUTE]
    first = a_sample(
        waiting=5,
        running=9,
        oldest_wait_ms=1 << 40,
        cpu_percent=25.0,
        memory_percent=40.0,
        measured=2,
    )
    assert read(store, 600) == [
        (NOON, first),
        (NOON + 10 * MINUTE, a_sample(cpu_percent=70.0, measured=1)),
    ]
    ((hour, sample),) = read(store, 3_600)
    assert (hour, sample.cpu_percent, sample.measured) == (NOON, pytest.approx(40.0), 3)


def test_a_read_has_the_rows_that_begin_within_its_time(store):
    for number in range(5):
        add(store, NOON + number * MINUTE)

    found = [begin for begin, _sample in read(store, 60, NOON + MINUTE, NOON + 3 * MINUTE)]

    assert found == [NOON + MINUTE, NOON + 2 * MINUTE]


def test_rows_are_bounded_however_long_samples_are_taken(store):
    for hours in range(60):
        add(store, NOON + timedelta(hours=hours))

    assert len(read(store, 60)) == 1
    assert len(read(store, 600)) == 2
    assert len(read(store, 3_600)) == 49


def test_of_many_processes_one_takes_the_sample_of_a_minute(store):
    # Given processes that have all found the minute without a sample
    units = [store.another() for _ in range(4)]
    ready, taken = Barrier(len(units)), []

    def take(unit):
        ready.wait()
        taken.append(unit.run(lambda transaction: transaction.cluster_history.add(NOON, a_sample(), STEPS)))

    threads = [Thread(target=take, args=[unit]) for unit in units]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then one has written it, once in each resolution
    assert sorted(taken) == [False, False, False, True]
    assert [len(read(store, step.seconds)) for step in STEPS] == [1, 1, 1]
