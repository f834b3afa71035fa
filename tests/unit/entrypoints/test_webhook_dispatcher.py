"""Deliveries are posted although the system has no room for another thread."""

from threading import Thread
from types import SimpleNamespace

import pytest

from entrypoints.worker.webhook_dispatcher import WebhookDispatcher
from tests.support.memory.id_generator import MemoryIdGenerator
from tests.support.processes import eventually

THREADS = 4


class ScriptedDeliveries:
    """Deliveries that are due, and the posted ones."""

    def __init__(self, number: int) -> None:
        ids = MemoryIdGenerator()
        self.due = [SimpleNamespace(id=ids.new()) for _ in range(number)]
        self.posted = []

    def claim(self, limit: int):
        claimed, self.due = self.due[:limit], self.due[limit:]
        return claimed

    def __call__(self, delivery) -> None:
        self.posted.append(delivery.id)


@pytest.fixture
def no_more_threads(monkeypatch):
    """Let each dispatcher start one thread for posting, and no other."""
    start = Thread.start

    def start_first(thread):
        if thread.name.startswith("webhook_") and not thread.name.endswith("_0"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", start_first)


@pytest.mark.usefixtures("no_more_threads")
def test_all_deliveries_are_posted_if_no_further_thread_can_be_started(caplog):
    deliver = ScriptedDeliveries(3 * THREADS)
    expected = [delivery.id for delivery in deliver.due]
    dispatcher = WebhookDispatcher(deliver, SimpleNamespace(), THREADS)
    dispatcher.start()
    try:
        assert eventually(lambda: sorted(deliver.posted) == sorted(expected))
    finally:
        dispatcher.stop()
    assert "waits for a thread: can't start new thread" in caplog.text
