from contextlib import ExitStack
from functools import partial

import pytest

from adapters.http_engine.engine import HttpEngine
from application.retry_policy import RetryPolicy
from tests.support.runner import FakeRunner

QUICK = RetryPolicy((0.01, 0.02))


@pytest.fixture
def runner():
    with FakeRunner() as running:
        yield running


@pytest.fixture
def make_engine():
    """Build engines that are stopped when the test ends."""
    with ExitStack() as engines:

        def make(url, **settings):
            engine = HttpEngine(url, **({"retries": QUICK, "control_timeout_s": 0.3} | settings))
            engine.start()
            engines.callback(engine.stop)
            return engine

        yield make


@pytest.fixture
def engine(runner, make_engine):
    return make_engine(runner.url)


@pytest.fixture
def nowhere():
    """The address of a port without a listener."""
    gone = FakeRunner()
    with gone:
        pass
    return gone.url


@pytest.fixture
def engine_nowhere(nowhere, make_engine):
    return partial(make_engine, nowhere)
