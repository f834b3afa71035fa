"""Logging, configured once for a process: readable lines on stderr, one for each record."""

import logging
import sys
import time
from types import TracebackType
from typing import TextIO

from application.log_context import log_fields
from entrypoints.cli.outage_counter import OutageCounter
from entrypoints.cli.terminal import one_line, printable

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure_logging(level: str) -> None:
    """Log from a level on, and records of libraries from WARNING on."""
    handler = Handler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler])
    logging.getLogger("service_server").setLevel(level)


class LogFieldsFilter(logging.Filter):
    """Adds the ids of the job, project and request to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the fields and keep the line."""
        record.fields = "".join(f" {name}={value}" for name, value in log_fields().items())
        return True


class Handler(logging.StreamHandler[TextIO]):
    """Writes records with their fields, and counts the repeated ones of an outage."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._outages = OutageCounter()
        self.addFilter(LogFieldsFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record and the counts that are due."""
        for line in self._outages.lines(record):
            super().emit(line)


class Lines(logging.Formatter):
    """Times in UTC, and control characters of callers and programs escaped."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s%(fields)s",
            datefmt="%Y-%m-%dT%H:%M:%S",
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by logging
        """Write a line as one line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - named by logging
        """Format a traceback without control characters."""
        return printable(super().formatException(ei))
