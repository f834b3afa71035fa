from datetime import timedelta

from adapters.sql.tables import WORKER_MAX_CHARS


def beat(store, process="worker"):
    return store.run(lambda transaction: transaction.heartbeats.beat(process))


def test_a_heartbeat_tells_the_databases_time(store):
    first = beat(store)
    again = beat(store)

    assert first.utcoffset() == timedelta(0)
    assert timedelta(0) <= again - first < timedelta(minutes=1)


def test_each_process_has_its_own(store):
    names = ["w" * WORKER_MAX_CHARS, "worker", "worker \U0001f600"]

    assert all(beat(store, name) <= beat(store, name) for name in names)
