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
    """Log from a level on; what the libraries say, from WARNING on."""
    handler = Handler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler])
    logging.getLogger("service_server").setLevel(level)


class LogFieldsFilter(logging.Filter):
    """Gives every line what it ends with: the ids of the job, project and request that it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the fields and keep the line."""
        record.fields = "".join(f" {name}={value}" for name, value in log_fields().items())
        return True


class Handler(logging.StreamHandler[TextIO]):
    """Writes lines with their fields, and counts those of outages."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._outages = OutageCounter()
        self.addFilter(LogFieldsFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write what is to be written of a line."""
        for line in self._outages.lines(record):
            super().emit(line)


class Lines(logging.Formatter):
    """Times in UTC, and nothing that a caller or a program had a part in may begin a line or act on one."""

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
        """Write a traceback without what acts on a terminal."""
        return printable(super().formatException(ei))
