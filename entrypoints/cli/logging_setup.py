"""Logging, configured once for a process: readable lines on stderr, one for each record."""

import logging
import sys
import time
from types import TracebackType

from entrypoints.cli.plain_text import one_line, printable
from entrypoints.http.request_id import RequestIdFilter

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure_logging(level: str) -> None:
    """Log from a level on; what the libraries say, from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    handler.addFilter(RequestIdFilter())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler])
    logging.getLogger("service_server").setLevel(level)


class _Lines(logging.Formatter):
    """Times in UTC, and nothing that a caller or a program had a part in may begin a line or act on one."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s%(of_request)s",
            datefmt="%Y-%m-%dT%H:%M:%S",
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by logging
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - named by logging
        return printable(super().formatException(ei))
