from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from uuid import uuid4

from adapters.in_process.event_feed import InProcessEventFeed
from application.messages import Message
from application.ports.tracing import NO_TRACING
from application.use_cases.relay_outbox import RelayOutbox
from domain.values import MessageId
from tests.support.memory.work_queue import MemoryWorkQueue

MESSAGES = 300
SWEEPERS = 4


class CountingFeed(InProcessEventFeed):
    """Counts how often each message was published."""

    def __init__(self):
        super().__init__()
        self.times = Counter()
        self._counting = Lock()

    def publish(self, messages):
        with self._counting:
            self.times.update(message.id for message in messages)


def test_processes_that_sweep_at_once_publish_each_message_once(server_url, open_store):
    # Given messages that are stale, and several processes that find the queue usable again
    store = open_store(server_url)
    left = [Message(id=MessageId(uuid4()), name="JobCompleted", body={}) for _ in range(MESSAGES)]
    store.run(lambda transaction: transaction.outbox.add(left))
    store.pass_time(60)
    feed, together = CountingFeed(), Barrier(SWEEPERS)
    sweepers = [
        RelayOutbox(
            store.another(), MemoryWorkQueue(), feed, len, 5.0, max_wake_ups=500, tracing=NO_TRACING, batch=10
        )
        for _ in range(SWEEPERS)
    ]

    def sweep(sweeper):
        together.wait()
        return sweeper.sweep()

    # When they sweep at once
    with ThreadPoolExecutor(SWEEPERS) as pool:
        swept = sum(pool.map(sweep, sweepers))
    swept += sweepers[0].sweep()  # what the others held locked while the last one looked
    # Then each message was published once, and none is left
    assert swept == MESSAGES
    assert feed.times == Counter(message.id for message in left)
    assert store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10)) == []
