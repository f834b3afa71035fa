"""Rules for network addresses that callers' URLs may lead to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address

# NAT64 (RFC 6052) is the only way from an IPv6-only network to a public IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")
# Other IPv6 addresses that embed an IPv4 address and could bypass a filter of IPv4 addresses.
_EMBEDDING = (
    IPv6Network("::/96"),  # IPv4-compatible (RFC 4291, 2.5.5.1), unspecified, loopback
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped (RFC 4291, 2.5.5.2)
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated (RFC 7915)
    IPv6Network("64:ff9b:1::/48"),  # local-use NAT64 (RFC 8215)
    IPv6Network("2001::/32"),  # Teredo (RFC 4380)
    IPv6Network("2002::/16"),  # 6to4 (RFC 3056)
)
# Not part of the internet, but missing from the tables of some Python versions.
_RESERVED = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments (RFC 6890)
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, deprecated (RFC 7526)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv6Network("fec0::/10"),  # site-local, deprecated (RFC 3879)
)
# ISATAP (RFC 5214, 6.1): these interface identifiers embed an IPv4 address, under any prefix.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
# A public address, but answered by the host of every Azure virtual machine, with its metadata.
_METADATA = frozenset({IPv4Address("168.63.129.16")})


def is_public(address: IpAddress) -> bool:
    """Whether an address is on the public internet: not private, host-local or multicast.

    An address that embeds an IPv4 address is not public, except for NAT64, where the embedded address
    decides.
    """
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(address in network for network in _EMBEDDING):
            return False
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return False
    elif address in _METADATA:
        return False
    if any(address in network for network in _RESERVED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def parse_address(text: str) -> IpAddress | None:
    """Parse an address, optionally with a zone; return None for any other text."""
    try:
        return ip_address(text)
    except ValueError:
        return None
