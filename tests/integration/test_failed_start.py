"""A process whose start fails stops the parts that it has started."""

import threading

import pytest

from application.errors import DependencyUnavailable
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from tests.support.databases import make_tables
from tests.support.processes import eventually
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

OUTAGE = DependencyUnavailable("engine", "it cannot run programs")


class RecordingWorker:
    """A worker that records its starts and stops, and whose start can fail."""

    def __init__(self, error=None):
        super().__init__()
        self._error = error
        self.calls = []

    def start(self):
        self.calls.append("start")
        if self._error is not None:
            raise self._error

    def stop(self, timeout_s=0):
        self.calls.append("stop")
        return timeout_s >= 0


class StartedEngine(RecordingWorker, ScriptedEngine):
    """An engine that records its starts and stops, and whose start can fail."""


def container_of(tmp_path, engine, *workers):
    container = build_container(settings_of(data_dir=tmp_path, drain_s=0), STANDARD_LIMITS)
    container.engine.override(engine)
    container.workers.override(workers)
    return container


@pytest.mark.parametrize("error", [OUTAGE, RuntimeError("a bug")])
def test_an_engine_that_fails_to_start_leaves_no_thread_and_no_connection(tmp_path, error):
    # Given a process whose engine fails to start, after other parts
    before, engine, worker = set(threading.enumerate()), StartedEngine(error), RecordingWorker()
    make_tables(tmp_path)
    container = container_of(tmp_path, engine, worker)
    # When it is started
    with pytest.raises(type(error), match=str(error)):
        container.background_services().start()
    # Then nothing of it goes on
    assert engine.calls == ["start", "stop"]
    assert worker.calls == []
    assert container.database().pool.checkedin() == 0
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_a_worker_that_fails_to_start_ends_the_workers_and_the_tasks_before_it(tmp_path):
    # Given a process whose second worker fails to start
    before, engine = set(threading.enumerate()), StartedEngine()
    first, second = RecordingWorker(), RecordingWorker(OUTAGE)
    container = container_of(tmp_path, engine, first, second)
    # When it is started
    with pytest.raises(DependencyUnavailable, match=str(OUTAGE)):
        container.background_services().start()
    # Then nothing of it goes on
    assert first.calls == engine.calls == ["start", "stop"]
    assert second.calls == ["start"]
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_a_process_whose_start_failed_can_be_stopped(tmp_path):
    engine = StartedEngine(OUTAGE)
    background = container_of(tmp_path, engine).background_services()
    with pytest.raises(DependencyUnavailable):
        background.start()

    background.stop()

    assert engine.calls == ["start", "stop"]
