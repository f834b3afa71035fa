"""Translation of S3's errors, and the circuit breaker of a store."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError
from botocore.parsers import ResponseParserError
from obstore.exceptions import BaseError, UnauthenticatedError

from adapters.common.boto3_errors import SILENT, TOO_SLOW, UNREACHABLE, UNTRUSTED
from adapters.common.circuit_breaker import CircuitBreaker
from application.errors import OBJECT_STORE, NotFound, StorageUnavailable
from application.log_context import outage
from domain.values import ObjectKey

_log = logging.getLogger("service_server.object_store")

_WRONG_REGION = "its bucket is in another region"
_NO_CREDENTIALS = "no credentials were found for it"
# By the code in an answer's body, else by its status, or by obstore's message.
_ANSWERS: Mapping[str, str] = {
    "NoSuchBucket": "its bucket does not exist",
    "404": "its bucket does not exist",
    "AccessDenied": "the credentials do not permit this operation",
    "403": "the credentials do not permit this operation",
    "InvalidAccessKeyId": "the access key is unknown",
    "SignatureDoesNotMatch": "the credentials are wrong",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "its clock and this machine's clock differ too much",
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "PermanentRedirect": _WRONG_REGION,
    "redirect without LOCATION": _WRONG_REGION,
    "SlowDown": "it throttles requests",
    "ServiceUnavailable": "it throttles requests",
    "503": "it throttles requests",
    "QuotaExceeded": "its quota is exceeded",
    "invalid multipart response": "it does not support multipart uploads",
}
# Errors without an answer, by the kind of obstore's error. boto3, which lists objects, has its own.
_SILENCES: Mapping[str, str] = {
    "Timeout": TOO_SLOW,
    "Connect": UNREACHABLE,
    "Request": UNREACHABLE,
    "Interrupted": UNREACHABLE,
}
# The first match is used.
_FAULTS: Mapping[type[Exception], str] = {
    NoCredentialsError: _NO_CREDENTIALS,
    CredentialRetrievalError: _NO_CREDENTIALS,
    UnauthenticatedError: _NO_CREDENTIALS,  # obstore's, if the credential provider failed
    BotoCoreError: "its settings or the object's key are not valid",
}
# obstore's errors have these parts only in their text.
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d+)|(redirect without LOCATION|invalid multipart response)")
_KIND = re.compile(r"HttpError \{\s+kind: (\w+)")
_CERTIFICATE = "InvalidCertificate("
_DETAILS = "\n\nDebug source:"
# A store, or a proxy before it, may answer with a body of any size.
_MAX_LOGGED_CHARS = 4_000


class StorageGone(StorageUnavailable):
    """The object store does not answer at all."""


def storage_circuit() -> CircuitBreaker:
    """Build a store's circuit breaker, which opens if the store does not answer; an error is an answer."""
    return CircuitBreaker(
        OBJECT_STORE,
        failure=StorageGone,
        refusal=lambda _cause: StorageUnavailable("it does not respond (circuit open)"),
    )


@contextmanager
def storage_errors(action: str, key: ObjectKey | None = None) -> Iterator[None]:
    """Translate errors of obstore and boto3. Host names are only logged.

    Raises:
        NotFound: There is no object with the key.
        StorageGone: The store does not answer.
        StorageUnavailable: Any other error.
    """
    try:
        yield
    except (BaseError, BotoCoreError, ClientError, ResponseParserError, FileNotFoundError) as error:
        answer = _answer(error, key)
        if key is not None and answer == "NoSuchKey":
            raise NotFound("object", key) from error
        silence = None if answer else _silence(error)
        said = _ANSWERS.get(answer or "") or _of_kind(_FAULTS, error)
        sentence = silence or said or "it responds with an error"
        logged = str(error)[:_MAX_LOGGED_CHARS]
        _log.error("%s failed, %s: %s", action, sentence, logged, extra=outage(OBJECT_STORE, sentence))
        raise (StorageGone if silence else StorageUnavailable)(sentence) from error


def is_of_another_region(error: Exception) -> bool:
    """Whether the store refused a request because it was signed for another region than the bucket's."""
    return _ANSWERS.get(_answer(error) or "") == _WRONG_REGION


def _answer(error: Exception, key: ObjectKey | None = None) -> str | None:
    """Return the error code or status of an answer. The key is removed first, as it might look like one."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code")
    text = str(error) if key is None else str(error).replace(key.value, "")
    answer = text.partition(_DETAILS)[0]
    found = _CODE.search(answer) or _STATUS.search(answer)
    return found and found[found.lastindex or 0]


def _silence(error: Exception) -> str | None:
    if _CERTIFICATE in str(error):
        return UNTRUSTED
    found = _KIND.search(str(error))
    return _of_kind(SILENT, error) if found is None else _SILENCES.get(found[1])


def _of_kind(sentences: Mapping[type[Exception], str], error: Exception) -> str | None:
    return next((sentence for kind, sentence in sentences.items() if isinstance(error, kind)), None)
