"""The writing side of the output feed: batches of output from a bounded buffer."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from threading import Condition
from typing import Any

import redis

from adapters.common.background import BackgroundThread
from adapters.common.bounded_buffer import BoundedBuffer
from adapters.common.redis_client import connect, redis_errors
from adapters.redis_feed.output_stream import DEPENDENCY, Run, join, stream_key
from application.errors import DependencyUnavailable
from application.ports.output_feed import OutputChunk, UsageSample
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

Command = tuple[bytes | str | int, ...]
# A piece of output or a usage sample; None marks the end of an execution.
Output = tuple[ExecutionId, OutputChunk | UsageSample | None]

# The maximum size of pending output; beyond it, the oldest is dropped.
_MAX_PENDING_BYTES = 4 << 20
# Output is gathered for this time after a write, or until it reaches this size, and written together.
_GATHER_S = 0.02
_GATHER_BYTES = 64 << 10
# https://redis.io/docs/latest/develop/reference/protocol-spec: the first word of an error is its kind.
_WRONG_TYPE = "WRONGTYPE"
# The stream of an execution whose worker has died expires after this time.
_ABANDONED_S = 3_600


class OutputWriter:
    """Writes output to Redis on a dedicated thread, in a few large commands.

    Args:
        url: The address of Redis, with credentials if required.
        kept_bytes: The size of each execution's latest output that is kept in Redis.
        linger_s: Seconds for which output is kept after the execution ends, so that followers can read the
            rest.
    """

    def __init__(self, url: str, kept_bytes: int, linger_s: float) -> None:
        # Any, because redis-py types replies as a union over all protocols and options.
        self._client: Any = connect(url)
        self._kept_bytes = kept_bytes
        self._linger_ms = int(linger_s * 1_000)
        self._runs: dict[ExecutionId, Run] = {}
        self._output: BoundedBuffer[Output] = BoundedBuffer(_MAX_PENDING_BYTES)
        self._ended: set[ExecutionId] = set()  # executions whose end is pending; the buffer may drop its mark
        self._requests: dict[Command, None] = {}  # commands from `send`, without duplicates
        self._unwritten: list[Command] = []
        self._changed = Condition()
        self._thread = BackgroundThread("output-writer", self._step, self._wake)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write all pending output, if Redis accepts it, and stop."""
        self._thread.stop()
        try:
            while self._unwritten or self._output or self._requests:
                self._write()
        except DependencyUnavailable as error:
            logger.warning("live output is lost: %s", error)
        self._client.close()

    def append(self, execution_id: ExecutionId, item: OutputChunk | UsageSample) -> None:
        """Queue a chunk or a usage sample for writing."""
        self._add(execution_id, item)

    def close(self, execution_id: ExecutionId) -> None:
        """Let an execution's stream expire once its end is written."""
        self._add(execution_id, None)

    def send(self, *commands: Command) -> None:
        """Queue Redis commands."""
        with self._changed:
            self._requests |= dict.fromkeys(commands)
            self._changed.notify_all()

    def _add(self, execution_id: ExecutionId, item: OutputChunk | UsageSample | None) -> None:
        with self._changed:
            is_first = not self._output
            size = len(item.data) if isinstance(item, OutputChunk) else 0
            self._output.append((execution_id, item), size)
            if item is None:
                self._ended.add(execution_id)
            if is_first or self._is_due():
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _step(self) -> None:
        """Wait for output or commands, write them, and wait for more to write together."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._thread.is_stopping or self._unwritten or self._output or self._requests
            )
        self._write()
        with self._changed:
            self._changed.wait_for(self._is_due, _GATHER_S)

    def _is_due(self) -> bool:
        return self._thread.is_stopping or self._output.weight >= _GATHER_BYTES

    def _write(self) -> None:
        """Write everything pending; commands that Redis does not accept are retried at the next call.

        Raises:
            DependencyUnavailable: Redis does not accept the commands.
        """
        if not self._unwritten:
            with self._changed:
                output = self._output.take(_MAX_PENDING_BYTES)
                ended, self._ended = self._ended, set()
                requests, self._requests = self._requests, {}
            self._unwritten = [*requests, *self._commands(output, ended)]
        if self._unwritten:
            with redis_errors(DEPENDENCY):
                self._execute(self._unwritten)
            self._unwritten = []

    def _commands(self, output: Sequence[Output], ended: Collection[ExecutionId]) -> Iterator[Command]:
        marked = {execution_id for execution_id, item in output if item is None}
        for execution_id in ended:
            if execution_id not in marked:  # dropped, with all of its output before it
                yield from self._end_commands(execution_id)
        items: defaultdict[ExecutionId, list[OutputChunk | UsageSample]] = defaultdict(list)
        for execution_id, item in output:
            if item is not None:
                items[execution_id].append(item)
                continue
            yield from self._append_commands(execution_id, items.pop(execution_id, []))
            yield from self._end_commands(execution_id)
        for execution_id, its_items in items.items():
            yield from self._append_commands(execution_id, its_items)
            yield ("EXPIRE", stream_key(execution_id), _ABANDONED_S)

    def _end_commands(self, execution_id: ExecutionId) -> Iterator[Command]:
        self._runs.pop(execution_id, None)
        yield ("PEXPIRE", stream_key(execution_id), self._linger_ms)

    def _append_commands(
        self, execution_id: ExecutionId, items: Sequence[OutputChunk | UsageSample]
    ) -> Iterator[Command]:
        key, run = stream_key(execution_id), self._runs.setdefault(execution_id, Run())
        for entry in join(items):
            fields = run.number(entry)
            yield ("XADD", key, "MAXLEN", run.keep(self._kept_bytes), "*", *fields)

    def _execute(self, commands: Sequence[Command]) -> None:
        # Commands may be repeated: readers recognize entries that were written twice.
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies = pipeline.execute(raise_on_error=False)
        # A key of another type would fail again, so it is skipped. Any other failure is raised, and the
        # commands are repeated.
        failures = [reply for reply in replies if isinstance(reply, redis.RedisError)]
        for failure in failures:
            if not str(failure).startswith(_WRONG_TYPE):
                raise failure
        if failures:
            logger.warning("live output is lost: the key of a stream holds another type of value")
