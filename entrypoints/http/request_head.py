"""Rules for the head of a request that the parser does not enforce (RFC 9110, RFC 9112).

A proxy in front of this service has parsed the same bytes. If the two could disagree about the end of a
request or its host, the request is refused and its connection closed, so nothing after it is read.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from entrypoints.http.errors import MALFORMED, ProblemType

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

VERSION = ProblemType(505, "version-not-supported")
CODING = ProblemType(501, "transfer-coding-not-supported")
_HOPS = ("1.0", "1.1")
_SCHEMES = (b"http", b"https")
# Fields with offers to change the protocol (RFC 9110, 7.8), which this service ignores.
_OFFERS = frozenset({b"upgrade", b"http2-settings"})


class HeadRefused(Exception):
    """The head of the request is ambiguous or not supported.

    Attributes:
        kind: The type of the problem.
        detail: The error message.
    """

    def __init__(self, kind: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def check_head(method: bytes, target: bytes, version: str, headers: Headers) -> None:
    """Check that a head has one interpretation.

    Args:
        method: The method, as it was sent.
        target: The request target, as it was sent.
        version: The HTTP version, such as `1.1`.
        headers: The fields, with their names in lower case.

    Raises:
        HeadRefused: It has several, or none.
    """
    if version not in _HOPS:
        raise HeadRefused(VERSION, "This server supports only HTTP/1.1 and HTTP/1.0.")
    if method == b"CONNECT":
        raise HeadRefused(MALFORMED, "CONNECT is not supported: this server is not a proxy.")
    if b"#" in target:
        raise HeadRefused(MALFORMED, "The request's target must not contain a fragment.")
    hosts = _values(headers, b"host")
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise HeadRefused(
            MALFORMED, f"A request must have exactly one Host header; this one has {len(hosts)}."
        )
    if not target.startswith(b"/") and target != b"*":
        _check_absolute(target, hosts)
    _check_coding(version, _values(headers, b"transfer-encoding"))


def without_offers(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Write a head again without the offer to change the protocol."""
    fields = (b"%s: %s\r\n" % field for field in headers if field[0] not in _OFFERS)
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, target, version.encode(), b"".join(fields))


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for known, value in headers if known == name]


def _check_absolute(target: bytes, hosts: Iterable[bytes]) -> None:
    """Check that a target with a scheme and a host names the same host as the Host header."""
    scheme, _colon, rest = target.partition(b"://")
    authority = rest.partition(b"?")[0].partition(b"/")[0].lower()
    if scheme.lower() not in _SCHEMES or not authority:
        raise HeadRefused(
            MALFORMED, "The request's target must begin with a slash, or with http:// and a host."
        )
    if any(host.lower() != authority for host in hosts):
        raise HeadRefused(MALFORMED, "The request's target and its Host header name different hosts.")


def _check_coding(version: str, codings: Sequence[bytes]) -> None:
    if codings and version == "1.0":
        raise HeadRefused(MALFORMED, "HTTP/1.0 does not support Transfer-Encoding.")
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        raise HeadRefused(CODING, "The only supported transfer coding is chunked.")
