"""The id by which a request is known to its caller and in the log."""

import logging
import re
from contextvars import ContextVar
from uuid import uuid4

HEADER = "X-Request-ID"
_NONE = "-"
_SANE = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")

request_id: ContextVar[str] = ContextVar("service_server_request_id", default=_NONE)


def choose_request_id(offered: str | None) -> str:
    """Return the id that a caller offers, if it can stand in a header and in a log, or a new one."""
    return offered if offered and _SANE.fullmatch(offered) else str(uuid4())


class RequestIdFilter(logging.Filter):
    """Gives every record what ends its line: `request_id=...` where it belongs to a request, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Name the request and keep the record."""
        current = request_id.get()
        record.of_request = "" if current == _NONE else f" request_id={current}"
        return True
