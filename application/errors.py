"""Errors of use cases, beside those of the domain's own rules.

ApplicationError
├── NotAuthenticated          the caller has no valid key
├── NotFound                  the named object does not exist
├── Conflict                  it exists, but its state forbids the action
│   └── AmbiguousJobId        ... because the text matches several jobs
├── Unprocessable             the request is understood but cannot be satisfied here
│   └── SecretsUnavailable    ... because secret variables cannot be sealed or opened here
├── BatchRefused              some jobs of a batch are invalid, so none is accepted
├── SignInRefused             a visitor of the dashboard is not signed in
├── QuotaExceeded             a quota of the tenant or a limit of the key is reached
├── Repeated                  a request with the same idempotency key came before
│   ├── KeyReused             ... and was a different request
│   ├── RequestInWork         ... and is not answered yet
│   ├── AlreadyAnswered       ... and is answered
│   └── AnswerLost            ... and its response cannot be given again
└── DependencyUnavailable     a dependency of the service is unavailable
    ├── StorageUnavailable    ... the object store
    └── CommitOutcomeUnknown  ... the database, during a commit
CorruptRow                    internal: a job has to be ended without being read
ConcurrencyConflict           internal: a transaction has to be run again
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.catalogue.text import Text, text

OBJECT_STORE = "object store"
# The names in sentences about dependencies whose own names are plural.
_NAMES = {"metrics": "metrics service"}


class ApplicationError(Exception):
    """A use case failed."""


class NotAuthenticated(ApplicationError):
    """The caller has no valid key. The message is the same for every reason."""

    def __init__(self) -> None:
        super().__init__(text("problems.not_authenticated"))


class NotFound(ApplicationError):
    """The named object does not exist.

    Attributes:
        kind: Its kind: a job, a project, a log, a cluster.
    """

    def __init__(self, kind: str, name: object) -> None:
        shown = text(f"problems.kind_{kind.replace(' ', '_')}")
        super().__init__(text("problems.does_not_exist", kind=shown, name=name))
        self.kind = kind


class Conflict(ApplicationError):
    """The named object exists, but its state forbids the action."""


class AmbiguousJobId(Conflict):
    """A text is a prefix of several job ids.

    Attributes:
        candidates: Some of the ids.
    """

    def __init__(self, beginning: str, candidates: Sequence[str]) -> None:
        ids = ", ".join(candidates)
        several = text("problems.ambiguous_id", id=beginning, ids=ids)
        super().__init__(several if len(candidates) > 1 else text("problems.short_id", id=beginning))
        self.candidates = candidates


class Unprocessable(ApplicationError):
    """The request is understood but cannot be satisfied here.

    Attributes:
        field: The name of the value that is at fault.
    """

    def __init__(self, field: str, detail: Text | str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class RefusedJob:
    """A fault of one job of a batch.

    Attributes:
        index: The job's position in the batch, from 0.
        field: The name of the value that is at fault.
        detail: The rule that is broken, as a sentence.
    """

    index: int
    field: str
    detail: Text | str


class BatchRefused(ApplicationError):
    """Some jobs of a batch are invalid, so none is accepted.

    Attributes:
        faults: The faults, in the order of the jobs; only the first ones if there are many.
    """

    def __init__(self, faults: Sequence[RefusedJob], refused: int) -> None:
        super().__init__(text("problems.batch_refused", count=refused))
        self.faults = faults


class QuotaExceeded(ApplicationError):
    """A quota of the tenant or a limit of the key is reached.

    Attributes:
        quota: The name of the quota, as in `Quota`.
        used: The usage without this request.
        allowed: The quota.
        retry_after_s: After how many seconds a retry may succeed.
    """

    def __init__(self, quota: str, used: int, allowed: int, retry_after_s: int) -> None:
        super().__init__(text("problems.quota_exceeded", quota=quota, used=used, allowed=allowed))
        self.quota = quota
        self.used = used
        self.allowed = allowed
        self.retry_after_s = retry_after_s


class SignInRefused(ApplicationError):
    """A visitor of the dashboard is not signed in; the message explains the reason to people."""


class Repeated(ApplicationError):
    """A request with the same idempotency key came before, so that nothing was done this time."""


class KeyReused(Repeated):
    """The idempotency key belongs to a different request."""

    def __init__(self) -> None:
        super().__init__(text("problems.key_reused"))


class RequestInWork(Repeated):
    """The first request with the idempotency key is not answered yet.

    Attributes:
        retry_after_s: After how many seconds a retry may succeed.
    """

    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__(text("problems.request_in_work"))


class AlreadyAnswered(Repeated):
    """The first request with the idempotency key is answered, and its response is stored."""

    def __init__(self) -> None:
        super().__init__(text("problems.already_answered"))


class AnswerLost(Repeated):
    """The first request with the idempotency key took effect, but its response cannot be given again."""

    def __init__(self) -> None:
        super().__init__(text("problems.answer_lost"))


class SecretsUnavailable(Unprocessable):
    """Secret variables cannot be sealed or opened here; the message names the setting, not the secret."""

    def __init__(self, detail: str) -> None:
        super().__init__("secret_env", detail)


class DependencyUnavailable(ApplicationError):
    """A dependency of the service is unavailable.

    Attributes:
        dependency: Its name for an operator: database, object store, queue, engine, metrics.
        cause: Why it is unavailable.
        detail: The cause in English.
        retry_after_s: After how many seconds a retry may succeed.
    """

    def __init__(self, dependency: str, cause: Text | str, retry_after_s: int = 5) -> None:
        name = _NAMES.get(dependency, dependency)
        super().__init__(text("problems.unavailable", dependency=name, detail=cause))
        self.dependency = dependency
        self.cause = cause
        self.detail = str(cause)
        self.retry_after_s = retry_after_s


class StorageUnavailable(DependencyUnavailable):
    """The object store is unavailable or full, or refuses the call."""

    def __init__(self, detail: str) -> None:
        super().__init__(OBJECT_STORE, detail)


class CommitOutcomeUnknown(DependencyUnavailable):
    """The database failed during a commit: the change may or may not be stored."""


class CorruptRow(Exception):
    """This version of the service cannot read the stored job."""

    def __init__(self, job_id: object, cause: Exception) -> None:
        super().__init__(f"what is stored of job {job_id} cannot be read: {cause!r}")


class ConcurrencyConflict(Exception):
    """Another transaction changed the rows that this one is based on; the transaction has to be run again."""
