"""The id by which a request is known to its caller and in the log."""

import re
from uuid import uuid4

from application.log_context import request_id

__all__ = ["HEADER", "choose_request_id", "request_id"]

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")


def choose_request_id(offered: str | None) -> str:
    """Return the id that a caller offers, if it can stand in a header and in a log, or a new one."""
    return offered if offered and _SANE.fullmatch(offered) else str(uuid4())
