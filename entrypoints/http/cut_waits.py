"""The header of responses to requests for a longer wait than the service allows."""

from urllib.parse import parse_qs

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message
from litestar.types import Scope as AnyScope

WAIT_HEADER = "X-Wait-Cut-To"
_WAIT = "wait"
_FIRST_REFUSAL = 300


async def report_cut_wait(message: Message, scope: AnyScope) -> None:
    """Add the longest wait, in seconds, to the successful response to a request for a longer one."""
    if message["type"] != "http.response.start" or message["status"] >= _FIRST_REFUSAL:
        return
    if _WAIT.encode() not in scope["query_string"]:
        return
    if "route_handler" not in scope:  # a preflight request is answered before it is routed
        return
    if _WAIT not in scope["route_handler"].parsed_fn_signature.parameters:
        return
    longest: float = scope["litestar_app"].state.max_wait_s
    asked_for = parse_qs(scope["query_string"].decode()).get(_WAIT, ["0"])[-1]
    if float(asked_for) > longest:
        MutableScopeHeaders.from_message(message).add(WAIT_HEADER, f"{longest:g}")
