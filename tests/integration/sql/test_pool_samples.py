"""The use of a pool of connections: its metrics, and what callers learn when all are in use."""

import pytest

from adapters.sql.engine import DatabaseOptions, create_engine, pool_samples
from adapters.sql.errors import DatabaseGone
from adapters.sql.transaction_retrier import TransactionRetrier
from application.errors import DependencyUnavailable
from application.metrics import DATABASE_CONNECTIONS, DATABASE_CONNECTIONS_MAX


def test_connections_are_in_use_or_idle(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'pool.db'}", DatabaseOptions(pool_size=3))

    def figures():
        return {(sample.metric, *sample.labels): sample.value for sample in pool_samples(engine)}

    with engine.connect(), engine.connect():
        used = figures()
    left = figures()
    engine.dispose()

    assert (used[DATABASE_CONNECTIONS, "in_use"], used[DATABASE_CONNECTIONS, "idle"]) == (2, 0)
    assert (left[DATABASE_CONNECTIONS, "in_use"], left[DATABASE_CONNECTIONS, "idle"]) == (0, 2)
    assert left[DATABASE_CONNECTIONS_MAX,] == 3


def test_a_call_that_finds_every_connection_in_use_is_no_answer_of_the_database(tmp_path):
    options = DatabaseOptions(pool_size=1, pool_timeout_s=0.01)
    engine = create_engine(f"sqlite:///{tmp_path / 'pool.db'}", options)
    retrier = TransactionRetrier()

    def find_it_gone():
        with engine.connect(), pytest.raises(DependencyUnavailable, match="in use"):
            retrier(engine.connect)
        raise DatabaseGone("it is away")

    with pytest.raises(DependencyUnavailable, match="it is away"):
        retrier(find_it_gone)
    # An answer in between would show that the outage is over.
    with pytest.raises(DependencyUnavailable, match="circuit open"):
        retrier(engine.connect)
    engine.dispose()
