"""The address of the current request's caller."""

from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address

# What one subscriber of IPv6 is given at least (RFC 6177).
_IPV6_PREFIX_BITS = 64

caller_address: ContextVar[str] = ContextVar("service_server_caller_address", default="")


def caller_network() -> str:
    """Return the network that the current caller has for itself: its IPv4 address, or its prefix of IPv6."""
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
