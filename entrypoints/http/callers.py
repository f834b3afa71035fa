"""The caller of a request: made, and held against the scope of its route, before the body is read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler

from domain.caller import Caller, anonymous
from domain.tenant import DEFAULT_TENANT, Tenant, TenantStatus
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.request_context import caller_address

AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

# The name in a route's `opt` of the scope that it takes. A route without an entry answers nobody; with None,
# it needs no caller.
SCOPE = "scope"
# The ways to bring a key, as an OpenAPI document describes them.
SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `ssk_...`."},
        "authToken": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Auth-Token",
            "description": "An API key, for clients that cannot send it as a bearer's.",
        },
    }
)

_DEFAULT = Tenant(
    name=DEFAULT_TENANT, status=TenantStatus.ACTIVE, created_at=datetime.min.replace(tzinfo=UTC)
)


async def authorize(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Give a request its caller, if its route needs one. A guard, which runs before the body is read.

    Raises:
        KeyError: The route declares no scope.
        QuotaExceeded: The caller makes too many requests a second.
        ScopeMissing: The caller does not have the route's scope.
    """
    if connection.scope.get("method") == HttpMethod.OPTIONS:  # says which methods there are
        return
    scope = handler.opt[SCOPE]
    if scope is None:
        return
    caller = anonymous(_DEFAULT, caller_address.get() or None)
    await connection.app.state.request_rates.admit(caller)
    caller.require(scope)
    connection.scope["auth"] = caller


def caller_of_request(request: AnyRequest) -> Caller:
    """Return the caller of a request to a route that needs one."""
    caller: Caller = request.auth
    return caller
