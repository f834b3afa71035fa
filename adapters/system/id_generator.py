"""UUIDs of version 7, and the name of this process."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from uuid import UUID

from application.ports.id_generator import IdGenerator
from domain.execution_lifecycle import ExecutionState, held_state

_VERSION = 0x7
_VARIANT = 0b10
_RANDOM_BITS = 62
_NS_PER_MS = 1_000_000


class Uuid7Generator(IdGenerator):
    """Generates UUIDs of version 7 that increase strictly within a process (RFC 9562, 5.7).

    The twelve bits after the milliseconds are a fraction of the millisecond (6.2, method 3). If the time is
    not later than that of the previous id, because the clock is too coarse or was set back, the id takes the
    next fraction instead. The other 62 bits are random, so that ids of several processes differ and cannot be
    guessed.
    """

    def __init__(self, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._time_ns = time_ns
        self._last = 0
        self._lock = threading.Lock()

    def new(self) -> UUID:
        """Return a new UUID that sorts after all previous ones."""
        milliseconds, fraction = divmod(self._next_tick(), 1 << 12)
        most = milliseconds << 16 | _VERSION << 12 | fraction
        least = _VARIANT << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        return UUID(int=most << 64 | least)

    def _next_tick(self) -> int:
        """Return the time in 4,096ths of a millisecond, later than the last returned time."""
        with self._lock:
            self._last = max((self._time_ns() << 12) // _NS_PER_MS, self._last + 1)
            return self._last


def worker_name() -> str:
    """Return a unique name for this process: host, process id, and random digits."""
    name = f"{socket.gethostname()}:{os.getpid()}:{Uuid7Generator().new().hex[-8:]}"
    # The prefix avoids confusion with a claim's other holders: a host may be named "engine".
    return name if held_state(name) is ExecutionState.CLAIMED else f"host:{name}"
