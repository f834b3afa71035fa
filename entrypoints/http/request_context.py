"""The current request: its id, its caller's address and authentication, and headers of its response."""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from uuid import uuid4

from application.log_context import request_id
from domain.api_key import has_key

__all__ = [
    "REQUEST_ID_HEADER",
    "answer_headers",
    "caller_address",
    "caller_network",
    "choose_request_id",
    "reauthenticate",
    "request_id",
]

REQUEST_ID_HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
# The smallest prefix that one IPv6 subscriber is assigned (RFC 6177).
_IPV6_PREFIX_BITS = 64

# Authenticates the request's caller again, or raises NotAuthenticated; None if no key was required.
reauthenticate: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar(
    "service_server_reauthenticate", default=None
)
caller_address: ContextVar[str] = ContextVar("service_server_caller_address", default="")
# Headers of the response, for successes and errors.
answer_headers: ContextVar[Mapping[str, str]] = ContextVar(
    "service_server_answer_headers", default=MappingProxyType({})
)


def caller_network() -> str:
    """Return the network of the current caller: its IPv4 address, or its IPv6 prefix."""
    address = caller_address.get()
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> _IPV6_PREFIX_BITS)


def choose_request_id(offered: str | None) -> str:
    """Return a client's id if it is safe in headers and logs, otherwise a new one."""
    if offered is None or not _SANE.fullmatch(offered) or has_key(offered):
        return str(uuid4())
    return offered
