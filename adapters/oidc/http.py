"""HTTP client for an identity provider, with limits on time and size."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.common.certificate_errors import certificate_fault
from adapters.common.circuit_breaker import CircuitBreaker
from application.errors import DependencyUnavailable

PROVIDER = "identity provider"
_MAX_BYTES = 1 << 20
_OK, _SERVER_ERROR = 200, 500
_NO_ADDRESS = "its metadata has no usable endpoint URLs"


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """An answer of the provider: its status, and its JSON object, which is empty if it has none."""

    status: int
    body: Mapping[str, Any]

    @property
    def is_ok(self) -> bool:
        """Whether the request succeeded and returned a JSON object."""
        return self.status == _OK and bool(self.body)


class ProviderGone(DependencyUnavailable):
    """The provider does not answer at all."""

    def __init__(self, detail: str) -> None:
        super().__init__(PROVIDER, detail)


class ProviderHttp:
    """Sends requests to one provider and reads JSON answers. It follows no redirects.

    A circuit breaker opens if the provider does not answer, so that visitors who sign in meanwhile do not
    occupy the threads that serve requests.

    Args:
        https_only: Whether to refuse addresses with other schemes.
        timeout_s: The timeout for each step of a request, in seconds.
    """

    def __init__(self, *, https_only: bool, timeout_s: float) -> None:
        self._https_only = https_only
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)
        self._circuit = CircuitBreaker(PROVIDER, reset_s=timeout_s, failure=ProviderGone)

    def get(self, url: str) -> JsonAnswer:
        """Fetch a document.

        Raises:
            DependencyUnavailable: The provider is unreachable, or answers with an error.
        """
        return self._send("GET", url, {"Accept": "application/json"}, None)

    def post(self, url: str, headers: Mapping[str, str], body: str) -> JsonAnswer:
        """Post a form.

        Raises:
            DependencyUnavailable: The provider is unreachable, or answers with an error.
        """
        return self._send("POST", url, headers, body)

    def check_address(self, url: object) -> str:
        """Validate and return an address that the provider has published.

        Raises:
            DependencyUnavailable: The address must not be contacted.
        """
        schemes = {"https"} if self._https_only else {"https", "http"}
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in schemes or not parts.hostname or parts.username is not None:
            raise unavailable(_NO_ADDRESS)
        return parts.geturl()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> JsonAnswer:
        try:
            request = self._client.build_request(method, url, headers=headers, content=body)
        except httpx.InvalidURL as error:
            raise unavailable(_NO_ADDRESS) from error
        with self._circuit.call():
            status, content = self._exchange(request)
        if status >= _SERVER_ERROR:
            raise unavailable(f"it responded with status {status}")
        return JsonAnswer(status, _object(content))

    def _exchange(self, request: httpx.Request) -> tuple[int, bytes]:
        content = bytearray()
        try:
            with closing(self._client.send(request, stream=True)) as response:
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise unavailable(f"its response exceeds {_MAX_BYTES} bytes")
        except httpx.TimeoutException as error:
            raise ProviderGone("it did not respond in time") from error
        except httpx.NetworkError as error:
            fault = certificate_fault(error)
            raise ProviderGone(
                f"it cannot be reached: {fault}" if fault else "it cannot be reached"
            ) from error
        except httpx.HTTPError as error:
            raise unavailable("its response cannot be read") from error
        return response.status_code, bytes(content)


def unavailable(detail: str) -> DependencyUnavailable:
    """Build the error for a provider that cannot be used at the moment."""
    return DependencyUnavailable(PROVIDER, detail)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
