"""Rate limit on log records of one outage."""

import copy
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import monotonic

EVERY_S = 30.0


@dataclass(slots=True)
class _Outage:
    line: logging.LogRecord
    logged_at: float
    more: int = 0


class OutageCounter:
    """Passes the first log record of an outage, and counts the next ones: the count is logged every 30 s.

    Records with the same `outage` (see `application.log_context`) belong to one outage, from any part of the
    service. All other records pass.
    """

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._outages: dict[object, _Outage] = {}
        self._lock = Lock()

    def lines(self, line: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Yield the counts that are due, and a new record unless it is counted."""
        key = getattr(line, "outage", None)
        with self._lock:
            now = self._clock()
            due = list(self._due(now, but=key))
            if key is not None and not self._is_first(key, line, now):
                yield from due
                return
        yield from due
        yield line

    def _is_first(self, key: object, line: logging.LogRecord, now: float) -> bool:
        """Count a line of an outage; return whether it is logged."""
        known = self._outages.get(key)
        if known is None:
            self._outages[key] = _Outage(line, now)
            return True
        known.more += 1
        if now - known.logged_at < self._every_s:
            return False
        _say_count(line, known.more, now - known.logged_at)
        known.logged_at, known.more, known.line = now, 0, line
        return True

    def _due(self, now: float, but: object) -> Iterator[logging.LogRecord]:
        """Yield and remove the counts of outages without a recent record."""
        for key, known in list(self._outages.items()):
            if key == but or now - known.logged_at < self._every_s:
                continue
            del self._outages[key]
            if known.more:
                line = copy.copy(known.line)
                _say_count(line, known.more, now - known.logged_at)
                yield line


def _say_count(line: logging.LogRecord, more: int, within_s: float) -> None:
    times = "time" if more == 1 else "times"
    line.msg = f"{line.getMessage()} ({more} more {times} in {within_s:.0f} s)"
    line.args = None
