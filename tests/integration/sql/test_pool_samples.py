"""The use of a pool of connections, as metrics have it."""

from adapters.sql.engine import DatabaseOptions, create_engine, pool_samples
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
