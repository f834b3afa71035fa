from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from domain.caller import Scope
from entrypoints.http.callers import SCOPE
from tests.http.support import Service

# The routes that need no caller: all others take a scope. What a completion needs is a signature.
OPEN = {
    "GET /",
    "GET /api/health",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /redoc",
    "GET /docs",
    "GET /docs/openapi.json",
    "GET /docs/{path:str}",
    "GET /docs/static/{file_path:path}",
    "HEAD /docs/static/{file_path:path}",
    "GET /dashboard/static/{digest:str}/{path:path}",
    "POST /api/executions/{execution_id:str}/completion",
}


def handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Name every route as `METHOD /path`, and its handler. OPTIONS is answered by the framework itself."""
    for route in app.routes:
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                yield f"{method} {route.path}", handler


@pytest.fixture
def routes(whole_service: Service) -> dict[str, HTTPRouteHandler]:
    return dict(handlers(whole_service.server.config.app))


def test_every_route_takes_a_scope_or_says_that_it_needs_no_caller(routes):
    undeclared = [name for name, handler in routes.items() if SCOPE not in handler.opt]
    assert not undeclared, f"declare `scope=...` at {undeclared}"
    assert {handler.opt[SCOPE] for handler in routes.values()} <= {None, *Scope}


def test_the_routes_that_need_no_caller_are_known(routes):
    assert {name for name, handler in routes.items() if handler.opt[SCOPE] is None} == OPEN
