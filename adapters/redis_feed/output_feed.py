"""The output feed between processes, over streams of Redis."""

from collections.abc import Callable, Sequence

from adapters.redis_feed.output_reader import OutputReader
from adapters.redis_feed.output_writer import OutputWriter
from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener, UsageSample
from domain.values import ExecutionId

KEPT_BYTES = 1 << 20
LINGER_S = 10.0


class RedisOutputFeed(OutputFeed):
    """Carries live output between processes by a Redis stream for each execution.

    A Redis that is slow or gone costs followers their view, and programs nothing. A follower that reads more
    slowly than a program writes misses output that is no longer kept; the offsets show that.

    Args:
        url: The address of Redis, with credentials if it wants any.
        local: The feed of the followers in this process, which keeps output for later ones.
        kept_bytes: The latest output of each execution that is kept in Redis.
        linger_s: Seconds that it is kept once the execution is closed, for its followers to read the end.
    """

    def __init__(
        self, url: str, local: OutputFeed, kept_bytes: int = KEPT_BYTES, linger_s: float = LINGER_S
    ) -> None:
        self._writer = OutputWriter(url, kept_bytes, linger_s)
        self._reader = OutputReader(url, local, self._writer.send)

    def start(self) -> None:
        """Start writing and reading."""
        self._writer.start()
        self._reader.start()

    def stop(self) -> None:
        """Write all that is pending, if Redis takes it, and end."""
        self._reader.stop()
        self._writer.stop()

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Write a chunk soon; the oldest that still waits is dropped when too much does."""
        self._writer.append(execution_id, chunk)

    def measure(self, execution_id: ExecutionId, sample: UsageSample) -> None:
        """Write the usage of a program soon."""
        self._writer.append(execution_id, sample)

    def close(self, execution_id: ExecutionId) -> None:
        """Let the output of an execution expire."""
        self._writer.close(execution_id)

    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the output of an execution that Redis has."""
        return self._reader.recall(execution_id)

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with the output that is kept and that comes; return a function that ends that."""
        return self._reader.follow(execution_id, listener)
