"""The memory of all programs at once, bounded so that they do not get their service killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from adapters.common.host import Host

# For the service, its supervisor, and what it keeps ready: interpreters and a compiler.
SERVICE_MB = 384
# The least that is left for programs: one that takes more runs alone.
_LEAST_MB = 64


def room_for_programs(asked_mb: int | None, host: Host | None = None) -> int | None:
    """Return the memory for programs, in mebibytes; None for any.

    Args:
        asked_mb: The memory that is asked for, 0 for any; None for the part of the control group's limit that
            the service does not need itself.
        host: This one.
    """
    if asked_mb is not None:
        return asked_mb or None
    allowed_mb = (host or Host()).memory_limit_mb
    return None if allowed_mb is None else max(allowed_mb - SERVICE_MB, _LEAST_MB)


class MemoryBudget:
    """Admits programs by the memory that they may have, as far as there is room for all of it.

    A program without room holds up all others until it fits, so that small ones do not keep a large one
    waiting for ever. One that may have more than there is at all runs alone.

    Args:
        room_mb: The memory for all programs at once; None for any.
        usual_mb: The memory of most programs: without room for one of them, none is asked for.
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
        """Reserve memory for a program for as long as the context lasts, if there is room; return whether."""
        reserved_mb = self._reserve(memory_mb)
        try:
            yield reserved_mb is not None
        finally:
            if reserved_mb is not None:
                with self._lock:
                    self._used_mb -= reserved_mb

    def is_short(self) -> bool:
        """Whether there is no room for the program that waits for it, or for a usual one."""
        with self._lock:
            # With all room free, the one that waited has been cancelled, or runs elsewhere.
            if self._used_mb == 0:
                self._wanted_mb = 0
            is_short = not self._has_room(self._wanted_mb or self._usual_mb)
            self._is_held_back = self._is_held_back or is_short
            return is_short

    def regained_room(self) -> bool:
        """Whether there is room again after there was none: true once."""
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
