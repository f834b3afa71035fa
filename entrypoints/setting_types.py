"""The types of settings: texts that follow a rule, and the decoding of keys."""

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from domain.catalogue.text import text

# The minimum of the specification. With an empty key, anyone could sign.
_WEBHOOK_KEY_MIN_BYTES = 24
_LINK_KEY_MIN_BYTES = 32
_SEALING_KEY_BYTES = 32
_SEALING_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix is no secret
# As browsers write an origin (Fetch standard, "byte-serializing a request origin"), or with a wildcard.
_ORIGIN = re.compile(
    r"\*|null|(?!http:.*:80\Z|https:.*:443\Z)[a-z][a-z0-9+.-]*://"
    r"(?:\*?[a-z0-9._-]+|\*|\[[0-9a-f:.]+\])(?::(?:\d{1,5}|\*))?"
)
_HOST = re.compile(r"\*|[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.IGNORECASE | re.ASCII)


def webhook_key(secret: SecretStr) -> bytes:
    """Decode a webhook secret: Base64 with or without the prefix `whsec_` (Standard Webhooks 1.0.0).

    Raises:
        ValueError: The secret is not Base64, or too short.
    """
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix(_WEBHOOK_SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(text("settings.webhook_secret_form")) from None
    if len(key) < _WEBHOOK_KEY_MIN_BYTES:
        raise ValueError(text("settings.webhook_secret_size", bytes=_WEBHOOK_KEY_MIN_BYTES))
    return key


def sealing_key(secret: SecretStr) -> tuple[str, bytes]:
    """Decode a sealing key; return its name and the key.

    Raises:
        ValueError: The format or the size of the key is wrong.
    """
    key_id, colon, encoded = secret.get_secret_value().partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not colon or not _SEALING_KEY_ID.fullmatch(key_id) or len(key) != _SEALING_KEY_BYTES:
        raise ValueError(text("settings.sealing_key", bytes=_SEALING_KEY_BYTES))
    return key_id, key


def link_key(secret: SecretStr) -> bytes:
    """Decode the key of signed links: Base64.

    Raises:
        ValueError: The key is not Base64, or too short.
    """
    try:
        key = base64.b64decode(secret.get_secret_value(), validate=True)
    except binascii.Error:
        raise ValueError(text("settings.link_key_form")) from None
    if len(key) < _LINK_KEY_MIN_BYTES:
        raise ValueError(text("settings.link_key_size", bytes=_LINK_KEY_MIN_BYTES))
    return key


def _decoded_by(decode: Callable[[SecretStr], object]) -> AfterValidator:
    """Return the validator of a secret that a function must be able to decode."""

    def check(secret: SecretStr) -> SecretStr:
        decode(secret)
        return secret

    return AfterValidator(check)


def _check_address(address: str) -> str:
    if not _is_address(address, {"http", "https"}):
        raise ValueError(text("settings.address"))
    return address


def _check_engine_address(address: str) -> str:
    """Refuse an address to which no path can be appended."""
    try:
        _check_address(address)
        parts = urlsplit(address)
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError(text("settings.engine_address")) from None
    if parts.query or parts.fragment:
        raise ValueError(text("settings.address_with_query"))
    return address


def _check_runner_address(address: str) -> str:
    try:
        _check_engine_address(address)
        is_whole = bool(urlsplit(address).path.strip("/"))
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(text("settings.runner_address"))
    return address


def _check_redis_address(secret: SecretStr) -> SecretStr:
    address = secret.get_secret_value()
    if not address.startswith("unix://") and not _is_address(address, {"redis", "rediss"}):
        raise ValueError(text("settings.redis_address"))
    return secret


def _is_address(address: str, schemes: set[str]) -> bool:
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        return False
    return url.scheme in schemes and bool(url.hostname) and " " not in address


def _check_origin(origin: str) -> str:
    """Refuse an origin that no browser sends."""
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(text("settings.origin", origin=origin))
    return origin


def _check_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError(text("settings.host", host=host))
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's loopback interface."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_readable(file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ValueError(text("settings.unreadable", file=file, detail=error.strerror)) from error
    return file


def _check_issuer(issuer: str) -> str:
    """Refuse an issuer that others could impersonate: plain HTTP can be read and changed on its way."""
    _check_address(issuer)
    parts = urlsplit(issuer)
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(text("settings.issuer_with_query"))
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(text("settings.issuer_scheme"))
    return issuer


OidcIssuer = Annotated[str, AfterValidator(_check_issuer)]
HttpAddress = Annotated[str, AfterValidator(_check_address)]
EngineAddress = Annotated[str, AfterValidator(_check_engine_address)]
RunnerAddress = Annotated[str, AfterValidator(_check_runner_address)]
RedisAddress = Annotated[SecretStr, AfterValidator(_check_redis_address)]
LinkKey = Annotated[SecretStr, _decoded_by(link_key)]
WebhookSecret = Annotated[SecretStr, _decoded_by(webhook_key)]
SealingKey = Annotated[SecretStr, _decoded_by(sealing_key)]
Origin = Annotated[str, AfterValidator(_check_origin)]
HostName = Annotated[str, AfterValidator(_check_host)]
ReadableFile = Annotated[Path, AfterValidator(_check_readable)]
