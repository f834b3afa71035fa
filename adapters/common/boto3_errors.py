"""The errors of boto3 that mean that a service does not answer."""

from collections.abc import Mapping

from botocore.exceptions import ConnectionError as Unconnected
from botocore.exceptions import ConnectTimeoutError, HTTPClientError, ReadTimeoutError, SSLError

UNREACHABLE = "it cannot be reached"
UNTRUSTED = "it cannot be reached: its certificate is refused, or it does not support TLS"
TOO_SLOW = "it does not respond in time"
# The cause by the error's class. The first match is used.
SILENT: Mapping[type[Exception], str] = {
    ConnectTimeoutError: TOO_SLOW,
    ReadTimeoutError: TOO_SLOW,
    SSLError: UNTRUSTED,
    Unconnected: UNREACHABLE,
    HTTPClientError: UNREACHABLE,
}
