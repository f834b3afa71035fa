from datetime import timedelta

from adapters.sql.tables import WORKER_MAX_CHARS


def beat(store, process="worker", *queues):
    return store.run(lambda transaction: transaction.heartbeats.beat(process, queues))


def served(store, within_s=3_600.0, besides="worker"):
    return store.run(lambda transaction: transaction.heartbeats.served(within_s, besides))


def test_a_heartbeat_tells_the_databases_time(store):
    first = beat(store)
    again = beat(store)

    assert first.utcoffset() == timedelta(0)
    assert timedelta(0) <= again - first < timedelta(minutes=1)


def test_each_process_has_its_own(store):
    names = ["w" * WORKER_MAX_CHARS, "worker", "worker \U0001f600"]

    assert all(beat(store, name) <= beat(store, name) for name in names)


def test_the_queues_of_other_processes_are_those_of_their_last_heartbeats(store):
    beat(store, "worker", "python", "java")
    assert served(store) == frozenset()
    beat(store, "another", "python", "python@3.13")
    beat(store, "third")

    assert served(store) == {"python", "python@3.13"}
    assert served(store, besides="third") == {"python", "java", "python@3.13"}
    beat(store, "another", "node")
    assert served(store) == {"node"}
    assert served(store, within_s=-3_600.0) == frozenset()


def test_workers_are_the_processes_with_a_heartbeat_of_late(store):
    def workers(within_s=3_600.0):
        return store.run(lambda transaction: transaction.heartbeats.workers(within_s))

    beat(store, "worker", "python", "java")
    beat(store, "another")

    assert workers() == {"worker": {"python", "java"}, "another": frozenset()}
    assert workers(within_s=-3_600.0) == {}
