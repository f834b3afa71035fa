"""Errors of use cases, beside those of the domain's own rules.

ApplicationError
├── NotAuthenticated          the caller has no valid key
├── NotFound                  the named thing does not exist
├── Conflict                  it exists, and is not in a state for this
│   └── AmbiguousJobId        ... for the text names several jobs
├── Unprocessable             the request is understood and cannot be met here
│   └── SecretsUnavailable    ... for secret variables cannot be sealed or opened here
├── BatchRefused              some jobs of a batch cannot be accepted, and so none is
├── SignInRefused             a visitor of the dashboard is not signed in
├── QuotaExceeded             a bound of the tenant's or the key's use is reached
├── Repeated                  a request came under its idempotency key before
│   ├── KeyReused             ... which was another request
│   ├── RequestInWork         ... and is not answered yet
│   ├── AlreadyAnswered       ... and is answered
│   └── AnswerLost            ... and its answer cannot be given again
└── DependencyUnavailable     a part of the service is out of reach for now
    ├── StorageUnavailable    ... the object store
    └── CommitOutcomeUnknown        ... the database, and a commit's answer was lost with it
CorruptRow                    not for callers: a job is to be ended without being read
ConcurrencyConflict                       not for callers: a transaction is to be run again
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.catalogue.text import Text, text

OBJECT_STORE = "object store"


class ApplicationError(Exception):
    """A use case failed."""


class NotAuthenticated(ApplicationError):
    """The caller has no valid key. The words are the same for each reason."""

    def __init__(self) -> None:
        super().__init__(text("problems.not_authenticated"))


class NotFound(ApplicationError):
    """The named thing does not exist.

    Attributes:
        kind: Its kind: a job, a project, a log, a cluster.
    """

    def __init__(self, kind: str, name: object) -> None:
        shown = text(f"problems.kind_{kind.replace(' ', '_')}")
        super().__init__(text("problems.does_not_exist", kind=shown, name=name))
        self.kind = kind


class Conflict(ApplicationError):
    """The named thing exists, and its state forbids this."""


class AmbiguousJobId(Conflict):
    """A text is the beginning of the ids of several jobs.

    Attributes:
        candidates: Some of the ids.
    """

    def __init__(self, beginning: str, candidates: Sequence[str]) -> None:
        ids = ", ".join(candidates)
        several = text("problems.ambiguous_id", id=beginning, ids=ids)
        super().__init__(several if len(candidates) > 1 else text("problems.short_id", id=beginning))
        self.candidates = candidates


class Unprocessable(ApplicationError):
    """The request is understood and cannot be met here.

    Attributes:
        field: The name of the value that is in the way.
    """

    def __init__(self, field: str, detail: Text | str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class RefusedJob:
    """A fault of one job of a batch.

    Attributes:
        index: The job's place in the batch, from 0.
        field: The name of the value that is in the way.
        detail: The rule, as a sentence.
    """

    index: int
    field: str
    detail: Text | str


class BatchRefused(ApplicationError):
    """Some jobs of a batch cannot be accepted, and so none is.

    Attributes:
        faults: The faults, in the order of the jobs; of very many the first ones.
    """

    def __init__(self, faults: Sequence[RefusedJob], refused: int) -> None:
        super().__init__(text("problems.batch_refused", count=refused))
        self.faults = faults


class QuotaExceeded(ApplicationError):
    """A bound of the tenant's or the key's use is reached.

    Attributes:
        quota: The name of the bound, as in `Quota`.
        used: The use of it without this request.
        allowed: The bound.
        retry_after_s: When it is worth trying again, in seconds.
    """

    def __init__(self, quota: str, used: int, allowed: int, retry_after_s: int) -> None:
        super().__init__(text("problems.quota_exceeded", quota=quota, used=used, allowed=allowed))
        self.quota = quota
        self.used = used
        self.allowed = allowed
        self.retry_after_s = retry_after_s


class SignInRefused(ApplicationError):
    """A visitor of the dashboard is not signed in; the message is the reason, for people."""


class Repeated(ApplicationError):
    """A request came under its idempotency key before, so that nothing was done this time."""


class KeyReused(Repeated):
    """The idempotency key is that of another request."""

    def __init__(self) -> None:
        super().__init__(text("problems.key_reused"))


class RequestInWork(Repeated):
    """The first request under the idempotency key is not answered yet.

    Attributes:
        retry_after_s: When it is worth trying again, in seconds.
    """

    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__(text("problems.request_in_work"))


class AlreadyAnswered(Repeated):
    """The first request under the idempotency key is answered, and its answer is stored."""

    def __init__(self) -> None:
        super().__init__(text("problems.already_answered"))


class AnswerLost(Repeated):
    """The first request under the idempotency key took effect, and its answer cannot be given again."""

    def __init__(self) -> None:
        super().__init__(text("problems.answer_lost"))


class SecretsUnavailable(Unprocessable):
    """Secret variables cannot be sealed or opened here; the message names the setting and no secret."""

    def __init__(self, detail: str) -> None:
        super().__init__("secret_env", detail)


class DependencyUnavailable(ApplicationError):
    """A part of the service is out of reach for now.

    Attributes:
        dependency: Its name for an operator: database, object store, queue, engine, metrics.
        cause: Why it is so.
        detail: The same in English.
        retry_after_s: When it is worth trying again, in seconds.
    """

    def __init__(self, dependency: str, cause: Text | str, retry_after_s: int = 5) -> None:
        super().__init__(text("problems.unavailable", dependency=dependency, detail=cause))
        self.dependency = dependency
        self.cause = cause
        self.detail = str(cause)
        self.retry_after_s = retry_after_s


class StorageUnavailable(DependencyUnavailable):
    """The object store is out of reach, full, or refuses."""

    def __init__(self, detail: str) -> None:
        super().__init__(OBJECT_STORE, detail)


class CommitOutcomeUnknown(DependencyUnavailable):
    """The database went away while it committed: the change may be stored, and may be not."""


class CorruptRow(Exception):
    """The stored job cannot be read by this version of the service."""

    def __init__(self, job_id: object, cause: Exception) -> None:
        super().__init__(f"what is stored of job {job_id} cannot be read: {cause!r}")


class ConcurrencyConflict(Exception):
    """Another transaction changed the rows that this one decided on: it is run again, whole."""
