"""Routers of an application."""

from typing import Any, Self

from litestar import Router


class OwnRouter(Router):
    """A router of one application, which registers it as it is.

    The framework copies other routers with all of their handlers, each time that one is put into another,
    which takes a quarter of the time in which an application is made.
    """

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the router itself."""
        return self
