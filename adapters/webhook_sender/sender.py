"""Sends events, each as one request on a new connection, without redirects, proxies and cookies."""

import ssl
from collections.abc import Mapping
from functools import cached_property

import httpcore

from adapters.webhook_sender.network import AnswerCutOff, Deadline, PinnedBackend, Resolver
from application.ports.webhook_sender import PostFailed, ReceiverAnswer, WebhookSender
from domain.webhook_url import WebhookUrl

MAX_ANSWER_BYTES = 64 << 10
# The part of an answer's body that is shown.
_SHOWN_BYTES = 2_000
_HEADERS = (
    ("Content-Type", "application/json"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "service-server-webhooks/1"),
    ("Connection", "close"),
)


class HttpWebhookSender(WebhookSender):
    """Sends requests with HTTP/1.1.

    Callers choose the URL and are not trusted. The host name is resolved once, all its addresses are checked,
    and the connection is made to one of them; TLS verifies the name. Redirects and proxies of the environment
    are ignored. An answer is not decompressed, and is read up to 64 KiB including headers. A deadline limits
    the whole request.

    Args:
        timeout_s: The maximum time of a request in seconds, from resolving the name to the last byte.
        allows_private: Whether receivers may have private addresses.
        tls: The TLS context; by default, one that trusts the CA certificates of browsers.
        resolver: Returns the addresses of a host.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        allows_private: bool = False,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allows_private = allows_private
        self._given_tls = tls
        self._resolver = resolver or Resolver()

    def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """Post a body once, and return the answer."""
        deadline = Deadline(self._timeout_s)
        backend = PinnedBackend(
            self._resolver, deadline, MAX_ANSWER_BYTES, allows_private=self._allows_private
        )
        try:
            return self._exchange(url, headers, body, backend)
        except httpcore.TimeoutException:
            raise PostFailed(f"The receiver did not respond within {self._timeout_s:g} s.") from None
        except AnswerCutOff:
            raise PostFailed(f"The headers of the response exceed {MAX_ANSWER_BYTES} bytes.") from None
        except httpcore.ConnectError as error:
            raise PostFailed(_unreachable(error)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise PostFailed(
                "The receiver closed the connection before it had sent a complete HTTP/1.1 response."
            ) from None

    def _exchange(
        self, url: WebhookUrl, headers: Mapping[str, str], body: bytes, backend: PinnedBackend
    ) -> ReceiverAnswer:
        address = httpcore.URL(
            scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
        )
        request_headers = [
            ("Host", url.authority),
            *_HEADERS,
            ("Content-Length", str(len(body))),
            *headers.items(),
        ]
        tls = self._tls if url.is_secure else None
        with httpcore.HTTPConnection(address.origin, ssl_context=tls, network_backend=backend) as connection:
            request = httpcore.Request("POST", address, headers=request_headers, content=body)
            response = connection.handle_request(request)
            try:
                return ReceiverAnswer(response.status, _beginning(response))
            finally:
                response.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpcore.default_ssl_context()


def _beginning(response: httpcore.Response) -> str:
    """Return the beginning of a body; the rest is read too, within the limits, so that it can be sent."""
    shown = bytearray()
    try:
        for piece in response.iter_stream():
            shown += piece[: _SHOWN_BYTES - len(shown)]
    except (AnswerCutOff, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # the status has arrived and is sufficient
    return shown.decode("utf-8", "replace")


def _unreachable(error: httpcore.ConnectError) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The receiver's certificate is refused: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "The receiver does not support TLS, or no secure version of it."
    return "The receiver cannot be reached."
