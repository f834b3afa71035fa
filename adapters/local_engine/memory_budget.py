"""The memory of all running programs, bounded so that they cannot get the service killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from adapters.common.host import Host

# Memory of the service, its supervisor, and its prewarmed interpreters and compiler.
SERVICE_MB = 384
# Programs always get at least this much; a program with a higher limit runs alone.
_LEAST_MB = 64


def room_for_programs(asked_mb: int | None, host: Host | None = None) -> int | None:
    """Return the memory for programs in mebibytes; None for no bound.

    Args:
        asked_mb: The configured memory, 0 for no bound. None takes the memory limit of the service's control
            group, less the memory that the service needs.
        host: The host to ask for that limit; None for this one.
    """
    if asked_mb is not None:
        return asked_mb or None
    allowed_mb = (host or Host()).memory_limit_mb
    return None if allowed_mb is None else max(allowed_mb - SERVICE_MB, _LEAST_MB)


class MemoryBudget:
    """Admits programs as long as the sum of their memory limits fits the budget.

    A program that does not fit holds up all smaller ones until it does, so that they cannot starve it. A
    program whose limit exceeds the whole budget runs alone.

    Args:
        room_mb: The memory for all running programs; None for no bound.
        usual_mb: The memory limit of most programs. Memory is short when no such program fits.
    """

    def __init__(self, room_mb: int | None, usual_mb: int) -> None:
        self.room_mb = room_mb
        self._usual_mb = usual_mb
        self._used_mb = 0
        self._wanted_mb = 0
        self._is_held_back = False
        self._lock = Lock()

    @contextmanager
    def reserved(self, memory_mb: int) -> Iterator[bool]:
        """Reserve memory for a program while the context lasts; yield False if there is no room."""
        reserved_mb = self._reserve(memory_mb)
        try:
            yield reserved_mb is not None
        finally:
            if reserved_mb is not None:
                with self._lock:
                    self._used_mb -= reserved_mb

    def is_short(self) -> bool:
        """Whether there is no room for the program that waits for memory, or for a usual program."""
        with self._lock:
            # When all memory is free, the program that waited was cancelled or runs on another worker.
            if self._used_mb == 0:
                self._wanted_mb = 0
            is_short = not self._has_room(self._wanted_mb or self._usual_mb)
            self._is_held_back = self._is_held_back or is_short
            return is_short

    def regained_room(self) -> bool:
        """Whether there is room again after a shortage; true once per shortage."""
        with self._lock:
            has_regained = self._is_held_back and self._has_room(self._wanted_mb or self._usual_mb)
            self._is_held_back = self._is_held_back and not has_regained
            return has_regained

    def _reserve(self, memory_mb: int) -> int | None:
        with self._lock:
            waiting_mb = self._wanted_mb if memory_mb < self._wanted_mb else 0
            if not self._has_room(memory_mb + waiting_mb):
                self._wanted_mb = max(self._wanted_mb, memory_mb)
                self._is_held_back = True
                return None
            if not waiting_mb:
                self._wanted_mb = 0
            reserved_mb = self._fitted(memory_mb)
            self._used_mb += reserved_mb
            return reserved_mb

    def _has_room(self, memory_mb: int) -> bool:
        return self.room_mb is None or self._used_mb + self._fitted(memory_mb) <= self.room_mb

    def _fitted(self, memory_mb: int) -> int:
        return memory_mb if self.room_mb is None else min(memory_mb, self.room_mb)
