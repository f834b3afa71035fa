import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

import redis

from adapters.redis_feed.client import MAX_BACKOFF_S, MIN_BACKOFF_S, connect
from adapters.redis_feed.output_stream import Run, join, stream_key
from application.log_context import outage
from application.ports.output_feed import OutputChunk
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

Command = tuple[bytes | str | int, ...]

# How much may wait for Redis; beyond that the oldest output is dropped.
_MAX_PENDING_BYTES = 4 << 20
_CHUNK_OVERHEAD_BYTES = 256
# What comes within this time of a writing is written together, unless it becomes as much as this.
_GATHER_S = 0.02
_GATHER_BYTES = 64 << 10
# The stream of an execution whose worker died goes away by itself.
_ABANDONED_S = 3_600


@dataclass(slots=True)
class _Pending:
    """What waits to be written: output, None where an execution ends, and other commands, each once."""

    output: deque[tuple[ExecutionId, OutputChunk | None]] = field(default_factory=deque)
    commands: dict[Command, None] = field(default_factory=dict)
    weight: int = 0

    def __bool__(self) -> bool:
        return bool(self.output or self.commands)

    def add(self, execution_id: ExecutionId, chunk: OutputChunk | None) -> None:
        self.output.append((execution_id, chunk))
        self.weight += _weight(chunk)
        while self.weight > _MAX_PENDING_BYTES:
            _, dropped = self.output.popleft()
            self.weight -= _weight(dropped)


class OutputWriter:
    """Writes output to Redis on a thread of its own, in few and large commands.

    Args:
        url: Of Redis, with credentials if it wants any.
        kept_bytes: How much of each execution's latest output is kept in Redis.
        linger_s: How long it is kept once the execution is closed, for its followers to read the end.
    """

    def __init__(self, url: str, kept_bytes: int, linger_s: float) -> None:
        # Redis types its replies as all that any protocol and option may give.
        self._client: Any = connect(url)
        self._kept_bytes = kept_bytes
        self._linger_ms = int(linger_s * 1_000)
        self._runs: dict[ExecutionId, Run] = {}
        self._pending = _Pending()
        self._is_stopping = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="output-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is pending, if Redis lets it, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Write a chunk soon."""
        self._add(execution_id, chunk)

    def close(self, execution_id: ExecutionId) -> None:
        """Let an execution's stream expire soon after its end was written."""
        self._add(execution_id, None)

    def send(self, *commands: Command) -> None:
        """Have Redis do something soon."""
        with self._changed:
            self._pending.commands |= dict.fromkeys(commands)
            self._changed.notify_all()

    def _add(self, execution_id: ExecutionId, chunk: OutputChunk | None) -> None:
        with self._changed:
            is_first = not self._pending
            self._pending.add(execution_id, chunk)
            if is_first or self._is_due():
                self._changed.notify_all()

    def _run(self) -> None:
        while (pending := self._take()) is not None:
            self._write(list(self._commands(pending)))
            with self._changed:
                self._changed.wait_for(self._is_due, _GATHER_S)

    def _take(self) -> _Pending | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._pending)
            taken, self._pending = self._pending, _Pending()
        return taken or None

    def _is_due(self) -> bool:
        return self._is_stopping or self._pending.weight >= _GATHER_BYTES

    def _commands(self, pending: _Pending) -> Iterator[Command]:
        yield from pending.commands
        chunks: defaultdict[ExecutionId, list[OutputChunk]] = defaultdict(list)
        for execution_id, chunk in pending.output:
            if chunk is not None:
                chunks[execution_id].append(chunk)
                continue
            yield from self._append_commands(execution_id, chunks.pop(execution_id, []))
            self._runs.pop(execution_id, None)
            yield ("PEXPIRE", stream_key(execution_id), self._linger_ms)
        for execution_id, its_chunks in chunks.items():
            yield from self._append_commands(execution_id, its_chunks)

    def _append_commands(self, execution_id: ExecutionId, chunks: Sequence[OutputChunk]) -> Iterator[Command]:
        key = stream_key(execution_id)
        run = self._runs.setdefault(execution_id, Run())
        yield from (("XADD", key, "*", *run.number(entry)) for entry in join(chunks))
        yield ("XTRIM", key, "MAXLEN", run.keep(self._kept_bytes))
        yield ("EXPIRE", key, _ABANDONED_S)

    def _write(self, commands: Sequence[Command]) -> None:
        """Have Redis do it, and try again until it has or there is no more time."""
        backoff_s = MIN_BACKOFF_S
        while True:
            try:
                return self._execute(commands)
            except redis.RedisError as error:
                if backoff_s == MIN_BACKOFF_S:
                    logger.warning(
                        "live output waits: Redis is not usable: %s",
                        type(error).__name__,
                        extra=outage("output feed", "Redis is not usable"),
                    )
            with self._changed:
                if self._changed.wait_for(lambda: self._is_stopping, backoff_s):
                    return None
            backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    def _execute(self, commands: Sequence[Command]) -> None:
        with self._client.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies = pipeline.execute(raise_on_error=False)
        # What Redis refuses before it begins is raised, and done again. What fails here would fail again: its
        # key holds something else. The other commands are done.
        failures = [reply for reply in replies if isinstance(reply, redis.RedisError)]
        if failures:
            logger.warning("live output is lost: %s", type(failures[0]).__name__)


def _weight(chunk: OutputChunk | None) -> int:
    return _CHUNK_OVERHEAD_BYTES + (len(chunk.data) if chunk is not None else 0)
