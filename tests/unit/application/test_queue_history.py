"""How long the queue was, as far as a process has looked."""

import pytest

from application.queries.queue_history import QueueHistory
from domain.errors import InvalidValue
from tests.support.in_memory_service import InMemoryService
from tests.support.memory.dashboard_queries import MemoryDashboardQueries


@pytest.fixture
def history(service: InMemoryService) -> QueueHistory:
    return QueueHistory(MemoryDashboardQueries(service.database), service.clock)


def test_the_queue_is_told_at_its_longest_and_its_oldest_in_each_slice(
    service: InMemoryService, history: QueueHistory
):
    begin = service.clock.now()
    history.sample()
    service.start()
    service.start()
    service.clock.advance(3)
    history.sample()
    service.run_execution()
    service.clock.advance(60)
    history.sample()

    slices = history(60)

    assert [(part.waiting, part.age_ms) for part in slices][-2:] == [(2, 3_000.0), (1, 63_000.0)]
    assert history.since == begin


def test_where_nobody_looked_nothing_is_told(history: QueueHistory):
    assert history.since is None
    assert {(part.waiting, part.age_ms) for part in history(10)} == {(None, None)}


@pytest.mark.parametrize("minutes", [0, 61])
def test_the_history_is_of_the_last_hour_at_most(history: QueueHistory, minutes: int):
    with pytest.raises(InvalidValue):
        history(minutes)
