"""Routers of an application."""

from typing import Any, Self

from litestar import Router


class OwnRouter(Router):
    """A router of one application, registered without a copy.

    The framework copies any other router with all of its handlers, each time that it is added to another one.
    These copies take a quarter of the time to create an application.
    """

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the router itself."""
        return self
