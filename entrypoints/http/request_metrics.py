"""The metrics of requests: their number, status codes and durations."""

import re
from collections.abc import Iterable

from litestar.enums import HttpMethod
from litestar.types import HTTPScope
from litestar.types import Scope as AnyScope

from application.errors import QuotaExceeded
from application.metrics import (
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS,
    HTTP_REQUESTS_IN_FLIGHT,
    HTTP_RESPONSES,
    QUOTA_REFUSALS,
)
from application.ports.measurements import Measurements, Sample

# Requests without a route, including requests that are refused before the route is found.
UNMATCHED = "unmatched"
# The first two segments of a page's path; parts and forms of a page count as that page.
_SECTION = re.compile(r"/(?:dashboard|docs)(?:/(?!\{)[^/]*)?")


class RequestMeter:
    """Measures requests by route. The path templates of routes limit the number of labels."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self._in_flight = 0
        measurements.watch(self._read)

    def begin(self) -> None:
        """Record the start of a request."""
        self._in_flight += 1

    def end(self, scope: HTTPScope, status: int | None, took_s: float) -> None:
        """Record the end of a response; its status is None if no response was started."""
        self._in_flight -= 1
        route = route_of(scope["method"], scope.get("path_template"))
        status_class = "none" if status is None else f"{status // 100}xx"
        self._measurements.count(HTTP_REQUESTS, route, status_class)
        self._measurements.observe(HTTP_REQUEST_DURATION, took_s, route)
        if status is not None:
            self._measurements.count(HTTP_RESPONSES, str(status))

    async def refused(self, error: Exception, _scope: AnyScope) -> None:
        """Count a handler's error if it is a refusal because of a quota."""
        if isinstance(error, QuotaExceeded):
            self._measurements.count(QUOTA_REFUSALS, error.quota)

    def _read(self) -> Iterable[Sample]:
        yield Sample(HTTP_REQUESTS_IN_FLIGHT, self._in_flight)


def route_of(method: str, template: str | None) -> str:
    """Return the name of a route: its method and path template, or the section of its page."""
    if method == HttpMethod.OPTIONS:
        return method
    if not template:
        return UNMATCHED
    section = _SECTION.match(template)
    return f"{method} {template}" if section is None else section[0]
