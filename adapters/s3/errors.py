import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.exceptions import (
    ConnectionError as CannotConnect,
)
from botocore.parsers import ResponseParserError

from application.errors import NotFound, StorageUnavailable
from domain.values import ObjectKey

_log = logging.getLogger("service_server.object_store")

# The bodies of HEAD have no error code: botocore gives the status in its place.
_CODES: Mapping[str, str] = {
    "NoSuchBucket": "its bucket does not exist",
    "404": "its bucket does not exist",
    "AccessDenied": "its credentials do not permit it",
    "403": "its credentials do not permit it",
    "InvalidAccessKeyId": "its credentials are not known there",
    "SignatureDoesNotMatch": "its credentials are wrong",
    "ExpiredToken": "its credentials have expired",
    "RequestTimeTooSkewed": "its clock and this machine's differ",
    "PermanentRedirect": "its bucket is in another region",
    "301": "its bucket is in another region",
    "SlowDown": "it asks for fewer requests",
    "ServiceUnavailable": "it asks for fewer requests",
    "503": "it asks for fewer requests",
    "QuotaExceeded": "its quota is used up",
}
# The first that fits is taken.
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectTimeoutError, "it does not answer in time"),
    (ReadTimeoutError, "it does not answer in time"),
    (CannotConnect, "it cannot be reached"),
    (HTTPClientError, "it cannot be reached"),
    (NoCredentialsError, "there are no credentials for it"),
    (CredentialRetrievalError, "there are no credentials for it"),
    (ParamValidationError, "its settings or the key are not valid there"),
)


@contextmanager
def storage_errors(action: str, key: ObjectKey | None = None) -> Iterator[None]:
    """Turn the errors of boto3 into the application's: what names hosts goes to the log, and no further.

    Raises:
        NotFound: There is no object of that key.
        StorageUnavailable: Anything else went wrong.
    """
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error, ResponseParserError) as error:
        if key is not None and _code(error) == "NoSuchKey":
            raise NotFound("object", key) from error
        sentence = _sentence(error)
        _log.error("%s failed, %s: %s", action, sentence, error)
        raise StorageUnavailable(sentence) from error


def _code(error: Exception) -> str | None:
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def _sentence(error: Exception) -> str:
    fault = next((text for kind, text in _FAULTS if isinstance(error, kind)), "it answers with an error")
    return _CODES.get(_code(error) or "", fault)
