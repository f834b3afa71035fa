"""The URL of a webhook's receiver."""

import hashlib
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.network_address import IpAddress, is_public, parse_address

URL_MAX_CHARS = 2_048
_PORTS = {"http": 80, "https": 443}
# The characters of a URL (RFC 3986, 2); others are percent-encoded.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
# RFC 1123, 2.1, plus the underscore, which names in private networks use.
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_HOST_MAX_CHARS = 253
_NUMBER = re.compile(
    r"0x(?P<hex>[0-9a-f]{0,16})|(?P<octal>0[0-7]{0,16})|(?P<decimal>[1-9][0-9]{0,16})", re.IGNORECASE
)
_IPV4_PARTS, _BYTE = 4, 255
# Names of this machine, which DNS cannot assign to another (RFC 6761, 6.3).
_LOCALHOST = re.compile(r"(?:.*\.)?localhost\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """An http or https URL that events are posted to, without credentials or fragment.

    Attributes:
        host: Its host, a name or an address; IPv6 addresses have no brackets.
        port: Its port; by default the scheme's.
        target: Its path and query, as sent.

    Raises:
        InvalidValue: It is not a valid URL, or is too long.
    """

    value: str
    is_secure: bool = field(init=False, compare=False)
    host: str = field(init=False, compare=False)
    port: int = field(init=False, compare=False)
    target: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.value) > URL_MAX_CHARS:
            raise InvalidValue("url", text("problems.characters", maximum=URL_MAX_CHARS))
        if not _URL.fullmatch(self.value):
            raise InvalidValue("url", text("problems.url_characters"))
        try:
            parts = urlsplit(self.value)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise InvalidValue("url", text("problems.url")) from None
        if parts.scheme not in _PORTS:
            raise InvalidValue("url", text("problems.url_scheme"))
        if "@" in parts.netloc:
            raise InvalidValue("url", text("problems.url_user"))
        address = parse_address(host)
        is_name = len(host) <= _HOST_MAX_CHARS and _HOST.fullmatch(host) is not None
        is_host = isinstance(address, IPv6Address) and "%" not in host if "[" in parts.netloc else is_name
        if port == 0 or not is_host:
            raise InvalidValue("url", text("problems.url_host"))
        set_field = object.__setattr__
        set_field(self, "is_secure", parts.scheme == "https")
        set_field(self, "host", host)
        set_field(self, "port", port or _PORTS[parts.scheme])
        set_field(self, "target", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))

    def __str__(self) -> str:
        return self.value

    @property
    def authority(self) -> str:
        """The host and port as in the Host header, without the scheme's default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def scheme(self) -> str:
        """The scheme."""
        return "https" if self.is_secure else "http"

    @property
    def origin(self) -> str:
        """Scheme, host and port: the part of the URL that is not secret."""
        return f"{self.scheme}://{self.authority}"

    def require_public(self) -> None:
        """Refuse a URL whose host is a private address; a name is checked when it is resolved.

        Raises:
            InvalidValue: Its host is a non-public address, in any notation, or a name of this machine.
        """
        address = _literal(self.host)
        if _LOCALHOST.fullmatch(self.host) or (address is not None and not is_public(address)):
            raise InvalidValue(
                "url",
                text("problems.url_private"),
            )


def receiver_digest(tenant: str, url: WebhookUrl) -> str:
    """Return a 64-character name for the receiver of a tenant's callbacks at an origin."""
    return hashlib.sha256(f"{tenant} {url.origin}".encode()).hexdigest()


def _literal(host: str) -> IpAddress | None:
    """Parse a host that is an address, in any notation of inet_aton: 127.1, 0x7f000001, 017700000001."""
    address = parse_address(host)
    numbers = [_number(part) for part in host.removesuffix(".").split(".")]
    if address is not None or len(numbers) > _IPV4_PARTS:
        return address
    *first, last = numbers
    left = _IPV4_PARTS - len(first)
    if last is None or last >= 1 << (8 * left) or any(part is None or part > _BYTE for part in first):
        return None
    high = sum((part or 0) << (8 * (_IPV4_PARTS - 1 - place)) for place, part in enumerate(first))
    return IPv4Address(high + last)


def _number(text: str) -> int | None:
    """Parse a part of an address: decimal, octal after a zero, or hexadecimal after 0x."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match["hex"] is not None:
        return int(match["hex"] or "0", 16)
    return int(match["octal"], 8) if match["octal"] is not None else int(match["decimal"])
