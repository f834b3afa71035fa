import logging
from collections.abc import Iterable, Iterator, Mapping
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

from adapters.common.circuit_breaker import CircuitBreaker
from application.errors import OBJECT_STORE, NotFound, StorageUnavailable
from application.log_context import outage
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
    "ConditionalRequestConflict": "another request stores the same object at this moment",
    "QuotaExceeded": "its quota is used up",
}
# The first that fits is taken.
_ABSENCES: tuple[tuple[type[Exception], str], ...] = (
    (ConnectTimeoutError, "it does not answer in time"),
    (ReadTimeoutError, "it does not answer in time"),
    (CannotConnect, "it cannot be reached"),
    (HTTPClientError, "it cannot be reached"),
)
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (NoCredentialsError, "there are no credentials for it"),
    (CredentialRetrievalError, "there are no credentials for it"),
    (ParamValidationError, "its settings or the key are not valid there"),
)


class StorageGone(StorageUnavailable):
    """The object store does not answer at all."""


def storage_circuit() -> CircuitBreaker:
    """Build the circuit of a store, which is open after it did not answer. An error is an answer."""
    return CircuitBreaker(
        OBJECT_STORE,
        failure=StorageGone,
        refusal=lambda _cause: StorageUnavailable("it did not answer a moment ago"),
    )


@contextmanager
def storage_errors(action: str, key: ObjectKey | None = None) -> Iterator[None]:
    """Turn the errors of boto3 into the application's: what names hosts goes to the log, and no further.

    Raises:
        NotFound: There is no object of that key.
        StorageGone: The store does not answer.
        StorageUnavailable: Anything else went wrong.
    """
    try:
        yield
    # A store that redirects to where it redirects again is followed by boto3 for ever.
    except (ClientError, BotoCoreError, Boto3Error, ResponseParserError, RecursionError) as error:
        if key is not None and _code(error) == "NoSuchKey":
            raise NotFound("object", key) from error
        absence = _first(_ABSENCES, error)
        sentence = absence or _sentence(error)
        _log.error("%s failed, %s: %s", action, sentence, error, extra=outage(OBJECT_STORE, sentence))
        raise (StorageGone if absence else StorageUnavailable)(sentence) from error


def says_taken(error: Exception) -> bool:
    """Whether an object was not stored because another one has its key."""
    return _code(error) == "PreconditionFailed"


def _code(error: Exception) -> str | None:
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def _sentence(error: Exception) -> str:
    return _CODES.get(_code(error) or "") or _first(_FAULTS, error) or "it answers with an error"


def _first(table: Iterable[tuple[type[Exception], str]], error: Exception) -> str | None:
    return next((text for kind, text in table if isinstance(error, kind)), None)
