"""Refusal of query parameters that an operation does not have."""

from collections.abc import Sequence
from difflib import get_close_matches

from litestar import Litestar
from litestar.routes import HTTPRoute

from domain.catalogue.text import Text, text
from domain.errors import InvalidValue
from entrypoints.http.json_request import AnyRequest

_API = "/api/"
# Operations of the service that this one replaces: its clients and engines may send any parameters.
LENIENT = frozenset(
    {
        ("POST", "/api/upload"),
        ("POST", "/api/execute/{jobId:str}"),
        ("GET", "/api/jobs"),
        ("GET", "/api/projects/{project:str}/jobs"),
        ("GET", "/api/jobs/{jobId:str}/status"),
        ("GET", "/api/status/{jobId:str}"),
        ("POST", "/api/cancel/{jobId:str}"),
        ("GET", "/api/projects"),
        ("POST", "/api/project"),
        ("GET", "/api/log"),
        ("GET", "/api/cloudwatch/{clusterName:str}"),
        ("GET", "/api/cloudwatch/{clusterName:str}/metrics"),
        ("GET", "/api/health"),
        ("POST", "/api/executions/{execution_id:str}/completion"),
    }
)
# The key of a route's `opt` for its query parameters, if it refuses all others.
_NAMES = "query_names"


def note_query_names(app: Litestar) -> None:
    """Store the query parameters of each operation that refuses others."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path_format.startswith(_API):
            continue
        for method, (handler, parameters) in route.route_handler_map.items():
            if method != "OPTIONS" and (method, route.path) not in LENIENT:
                names = (parameter.field_alias for parameter in parameters.expected_query_params)
                handler.opt[_NAMES] = tuple(sorted(names))


def check_query_names(request: AnyRequest) -> None:
    """Refuse query parameters that the operation does not have.

    Raises:
        InvalidValue: There is one. The message names the known parameters, or a similar one.
    """
    names: tuple[str, ...] | None = request.route_handler.opt.get(_NAMES)
    if names is None or not request.scope["query_string"]:
        return
    unknown = next((name for name in request.query_params if name not in names), None)
    if unknown is not None:
        raise InvalidValue(unknown, _refusal(unknown, names))


def _refusal(unknown: str, names: Sequence[str]) -> Text:
    known = ", ".join(names)
    if not known:
        return text("problems.no_parameters")
    similar = get_close_matches(unknown[:64], names, 1)
    if similar:
        return text("problems.similar_parameter", similar=similar[0], known=known)
    return text("problems.unknown_parameter", known=known)
