"""The delay of a wake-up from enqueue to start on an idle queue, and the number of no-ops handled per second.

`python -m tests.benchmarks.bench_queue` compares Dramatiq's own Redis broker, this service's list on Redis,
and its in-process queue, alternately in one run, as ratios to the first.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from queue import Queue
from threading import Event

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from rich.console import Console
from rich.table import Table

from adapters.in_process.work_queue import InProcessWorkQueue
from adapters.redis_work_queue.work_queue import RedisWorkQueue
from application.ports.work_queue import WorkQueue
from entrypoints.worker.execution_threads import ExecutionThreads
from tests.support.redis_server import redis_server

THREADS = 4
ROUNDS = 2
SAMPLES = 3
# Long enough for a polling consumer to reach its longest sleep.
IDLE_S = 1.0
BACKLOG = 1_000
STOCK = "Dramatiq's Redis broker"

Wake = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements for one queue."""

    latencies_ms: list[float]
    rates: list[float]

    @property
    def latency_ms(self) -> float:
        """The median delay from enqueue to start."""
        return statistics.median(self.latencies_ms)

    @property
    def rate(self) -> float:
        """The number of wake-ups of a backlog handled per second, in the best round."""
        return max(self.rates)


class Handler:
    """Records the time of each message, and waits while the gate is closed."""

    def __init__(self) -> None:
        self.started: Queue[float] = Queue()
        self.gate = Event()
        self.gate.set()

    def __call__(self, **_content: object) -> None:
        self.gate.wait()
        self.started.put(time.perf_counter())


@contextmanager
def stock(url: str, handler: Handler) -> Iterator[Wake]:
    """Run Dramatiq's broker and worker with their defaults."""
    broker = RedisBroker(url=url, namespace="stock", middleware=[])
    actor = dramatiq.actor(broker=broker, actor_name="wake", queue_name="wake")(handler.__call__)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    yield actor.send
    worker.stop(timeout=5_000)
    broker.client.close()


@contextmanager
def ours(queue: WorkQueue, handler: Handler) -> Iterator[Wake]:
    """Run one of this service's queues with its threads."""
    threads = ExecutionThreads(queue, handler, THREADS)
    threads.start()
    yield lambda: queue.wake(1)
    threads.stop(timeout_s=5)
    queue.close()


def latency_ms(wake: Wake, handler: Handler) -> float:
    """Return the delay from enqueue to start on an idle queue."""
    time.sleep(IDLE_S)
    enqueued_at = time.perf_counter()
    wake()
    return (handler.started.get(timeout=60) - enqueued_at) * 1_000


def rate(wake: Wake, handler: Handler) -> float:
    """Return the number of wake-ups of a backlog handled per second."""
    handler.gate.clear()
    for _ in range(BACKLOG):
        wake()
    opened_at = time.perf_counter()
    handler.gate.set()
    last_at = max(handler.started.get(timeout=60) for _ in range(BACKLOG))
    return BACKLOG / (last_at - opened_at)


def run(url: str) -> Mapping[str, Figures]:
    """Measure all queues alternately."""
    starts: Mapping[str, Callable[[Handler], AbstractContextManager[Wake]]] = {
        STOCK: lambda handler: stock(url, handler),
        "ours on Redis": lambda handler: ours(RedisWorkQueue(url), handler),
        "ours embedded": lambda handler: ours(InProcessWorkQueue(), handler),
    }
    figures = {name: Figures([], []) for name in starts}
    for _ in range(ROUNDS):
        for name, start in starts.items():
            handler = Handler()
            with start(handler) as wake:
                figures[name].latencies_ms.extend(latency_ms(wake, handler) for _ in range(SAMPLES))
                figures[name].rates.append(rate(wake, handler))
    return figures


def show(figures: Mapping[str, Figures]) -> None:
    """Print the figures and their ratios to Dramatiq's own broker."""
    base = figures[STOCK]
    table = Table("queue", "idle: enqueue to start", "quicker", "no-ops a second", "more")
    for name, its in figures.items():
        quicker, times = base.latency_ms / its.latency_ms, its.rate / base.rate
        table.add_row(
            name, f"{its.latency_ms:.2f} ms", f"{quicker:.1f}x", f"{its.rate:,.0f}", f"{times:.1f}x"
        )
    Console().print(table)


def main() -> None:
    """Start a Redis, measure, print, and stop it."""
    with redis_server() as server:
        show(run(server.url))


if __name__ == "__main__":
    main()
