"""Errors of bodies."""

from collections.abc import Sequence

from litestar.exceptions.http_exceptions import RequestEntityTooLarge

UNKNOWN_FIELD = "is not a known field"


class BodyTooLarge(RequestEntityTooLarge):
    """The body is larger than the route accepts in this form.

    Attributes:
        most_bytes: The maximum size in bytes.
    """

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.most_bytes = most_bytes


class UnreadableBody(Exception):
    """The body is not the JSON that the operation accepts.

    Attributes:
        path: The path to the fault, if known: names, and indexes in arrays.
        wanted: The type that the operation accepts, if known.
    """

    def __init__(self, detail: str, path: Sequence[str] = (), wanted: object = None) -> None:
        super().__init__(detail)
        self.path = path
        self.wanted = wanted
