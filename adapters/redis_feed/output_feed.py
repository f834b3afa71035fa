"""Output feed between processes, over Redis streams."""

from collections.abc import Callable, Sequence

from adapters.redis_feed.output_reader import OutputReader
from adapters.redis_feed.output_writer import OutputWriter
from application.ports.output_feed import OutputChunk, OutputFeed, OutputListener, UsageSample
from domain.values import ExecutionId

KEPT_BYTES = 1 << 20
LINGER_S = 10.0


class RedisOutputFeed(OutputFeed):
    """Carries live output between processes, over a Redis stream for each execution.

    If Redis is slow or unavailable, followers miss output, but programs are not affected. A follower that
    reads more slowly than the program writes misses output that is no longer kept; the offsets reveal the
    gap.

    Args:
        url: The address of Redis, with credentials if required.
        local: The feed of this process's followers, which keeps output for later followers.
        kept_bytes: The size of each execution's latest output that is kept in Redis.
        linger_s: Seconds for which output is kept after the execution ends, so that followers can read the
            rest.
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
        """Write all pending output, if Redis accepts it, and stop."""
        self._reader.stop()
        self._writer.stop()

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Queue a chunk for writing; if too much is pending, the oldest is dropped."""
        self._writer.append(execution_id, chunk)

    def measure(self, execution_id: ExecutionId, sample: UsageSample) -> None:
        """Queue a program's usage for writing."""
        self._writer.append(execution_id, sample)

    def close(self, execution_id: ExecutionId) -> None:
        """Let the output of an execution expire after its followers have had time to read it."""
        self._writer.close(execution_id)

    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the output of an execution that Redis has kept."""
        return self._reader.recall(execution_id)

    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with stored and future output; return a function that unsubscribes it."""
        return self._reader.follow(execution_id, listener)
