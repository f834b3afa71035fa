"""Routers of an application."""

from typing import Any, Self

from litestar import Router
from litestar.enums import HttpMethod
from litestar.types.internal_types import RouteHandlerMapItem


class OwnRouter(Router):
    """A router of one application, registered without a copy.

    The framework copies any other router with all of its handlers, each time that it is added to another one.
    These copies take a quarter of the time to create an application.
    """

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the router itself."""
        return self

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """The handlers by path and method, without the framework's own handlers of OPTIONS.

        Kept, such a handler lists the first methods of its path only, not those that are registered later.
        """
        handlers = super().route_handler_method_map
        return {
            path: {method: handler for method, handler in of_path.items() if method != HttpMethod.OPTIONS}
            for path, of_path in handlers.items()
        }
