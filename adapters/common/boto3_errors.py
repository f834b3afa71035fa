"""The errors of boto3 that mean that a service does not answer."""

from collections.abc import Mapping

from botocore.exceptions import ConnectionError as Unconnected
from botocore.exceptions import ConnectTimeoutError, HTTPClientError, ReadTimeoutError

UNREACHABLE = "it cannot be reached"
TOO_SLOW = "it does not respond in time"
# The cause by the error's class. The first match is used.
SILENT: Mapping[type[Exception], str] = {
    ConnectTimeoutError: TOO_SLOW,
    ReadTimeoutError: TOO_SLOW,
    Unconnected: UNREACHABLE,
    HTTPClientError: UNREACHABLE,
}
