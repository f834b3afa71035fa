"""The logging configuration of a process: lines on stderr, with repeated records of an outage counted."""

import copy
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Literal, TextIO

from application.log_context import log_fields
from domain.api_key import mask_keys
from entrypoints.cli.terminal import one_line, printable

EVERY_S = 30.0

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


LogFormat = Literal["text", "json"]


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Log records from a level on, and records of libraries from WARNING on."""
    handler = Handler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else Lines())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler])
    logging.getLogger("service_server").setLevel(level)


class LogFieldsFilter(logging.Filter):
    """Adds the ids of the job, project and request to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the fields and keep the record."""
        record.fields = log_fields()
        return True


class Handler(logging.StreamHandler[TextIO]):
    """Writes records with their fields, and counts repeated records of an outage."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._outages = OutageCounter()
        self.addFilter(LogFieldsFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record and the counts that are due."""
        for line in self._outages.lines(record):
            super().emit(line)


@dataclass(slots=True)
class _Outage:
    line: logging.LogRecord
    logged_at: float
    more: int = 0


class OutageCounter:
    """Passes the first log record of an outage and counts the following ones. Logs the count every 30 s.

    Records with the same `outage` (see `application.log_context`) belong to the same outage, whichever part
    of the service logs them. All other records pass.
    """

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._outages: dict[object, _Outage] = {}
        self._lock = Lock()

    def lines(self, line: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Yield the counts that are due, then the new record unless it is counted."""
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
        """Count a record of an outage; return whether it is logged."""
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


class Lines(logging.Formatter):
    """Lines for people: times in UTC, control characters of callers and programs escaped, API keys masked."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its traceback; mask API keys."""
        return mask_keys(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by logging
        """Format the message and the fields in one line."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return one_line(super().formatMessage(record) + fields)

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - named by logging
        """Format a traceback without control characters."""
        return printable(super().formatException(ei))


class JsonLines(logging.Formatter):
    """Lines for machines: JSON objects with the schema of docs/logs.md, in ASCII, API keys masked."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if (about := getattr(record, "outage", None)) is not None:
            line["dependency"] = about[0]
        if record.exc_info is not None:
            line["exception"] = self.formatException(record.exc_info)
        return mask_keys(json.dumps(line))


def _fields(record: logging.LogRecord) -> Mapping[str, str]:
    """Return the fields that the handler has set."""
    fields: Mapping[str, str] = getattr(record, "fields", {})
    return fields
