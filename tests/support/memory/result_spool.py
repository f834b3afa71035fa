import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from application.errors import StorageUnavailable
from application.ports.result_spool import KeptResult, ResultSpool
from domain.values import ExecutionId


class MemoryResultSpool(ResultSpool):
    """Results in a dictionary.

    Attributes:
        max_bytes: The maximum size of all logs.
        kept: The results and their logs, by the text of their executions' ids.
    """

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.max_bytes = max_bytes
        self.kept: dict[str, tuple[KeptResult, bytes]] = {}

    def is_full(self) -> bool:
        """Whether the logs have reached the maximum size."""
        return self._used() >= self.max_bytes

    def keep(self, kept: KeptResult, log: IO[bytes]) -> None:
        """Store a result and its log."""
        content = log.read()
        if self._used() + len(content) > self.max_bytes:
            raise StorageUnavailable("as much is kept as may be")
        self.kept[str(kept.execution_id)] = kept, content

    def names(self) -> Sequence[str]:
        """Return the ids of the executions."""
        return list(self.kept)

    def executions(self) -> Collection[ExecutionId]:
        """Return the executions whose results are spooled."""
        return [kept.execution_id for kept, _log in self.kept.values()]

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[KeptResult, IO[bytes]] | None]:
        """Yield a result and its log, or None if there is none."""
        found = self.kept.get(name)
        yield None if found is None else (found[0], io.BytesIO(found[1]))

    def remove(self, name: str) -> None:
        """Remove a result and its log."""
        self.kept.pop(name, None)

    def _used(self) -> int:
        return sum(len(log) for _kept, log in self.kept.values())
