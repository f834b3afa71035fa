"""The objects of submissions, stored before the transaction that adds their jobs."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from application.blobs import Blobs
from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import DependencyUnavailable, NotFound, StorageUnavailable
from application.new_files import BlobContent
from application.ports.clock import Clock
from application.ports.object_store import ObjectStore
from application.project_lookup import ensure_work_is_taken
from application.quota_guard import QuotaGuard
from application.submissions import Submission
from domain.audit import Usage
from domain.blob import BlobRef
from domain.caller import Caller
from domain.tenant import TenantName
from domain.values import ObjectKey

logger = logging.getLogger("service_server.jobs")

CODE_CONTENT_TYPE = "text/plain; charset=utf-8"


class SubmissionStore:
    """Stores the code, the files and the cases of submissions.

    * They are stored before the jobs, so that a job always has them.
    * For a rerun, the code of the earlier job is copied within the store, so that the two jobs are
      independent.
    * An upload that takes so long that its objects may be swept as orphans is refused.

    Args:
        max_code_bytes: The largest code, in bytes.
        objects_kept: The age from which objects without a job are swept.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        code_store: ObjectStore,
        blobs: Blobs,
        quota_guard: QuotaGuard,
        clock: Clock,
        max_code_bytes: int,
        objects_kept: timedelta,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._code_store = code_store
        self._blobs = blobs
        self._quota_guard = quota_guard
        self._clock = clock
        self._max_code_bytes = max_code_bytes
        self._late_after_s = objects_kept.total_seconds() / 2

    def announce(
        self, caller: Caller, submissions: Sequence[Submission], added: Usage, now: datetime
    ) -> Mapping[BlobRef, BlobContent]:
        """Announce the files and cases of submissions; return the ones that have to be stored.

        Raises:
            Repeated: A request with the same idempotency key was already processed.
            QuotaExceeded: There is no room for them in addition to `added`.
            NotFound: The files or cases of an earlier job are gone, or there is no such project.
            ProjectTransitionRefused: A project takes no new work.
            DependencyUnavailable: The database is unavailable, or an earlier copy is being deleted.
        """
        blobs = frozenset(blob for submission in submissions for blob in submission.spec.blobs)
        if not blobs:
            return {}
        self._unit_of_work.check_key(caller)
        projects = {submission.reference for submission in submissions}
        self._unit_of_work.read(lambda transaction: ensure_work_is_taken(transaction, caller, projects))
        missing = self._blobs.announce(caller.tenant.name, blobs)
        more = Usage(stored_bytes=sum(blob.size for blob in missing))
        self._quota_guard.check_early(self._unit_of_work, caller, added + more, now)
        contents = {
            blob: content for submission in submissions for blob, content in submission.contents.items()
        }
        for blob in missing:
            if blob not in contents:
                raise NotFound("blob", blob.sha256)
        return {blob: contents[blob] for blob in sorted(missing)}

    def in_time(self) -> Callable[[], None]:
        """Return a check for the transaction that objects stored from now on still exist.

        The check raises StorageUnavailable when the objects are so old that they may be swept as orphans.
        """
        late = self._clock.monotonic() + self._late_after_s

        def check() -> None:
            if self._clock.monotonic() >= late:
                raise StorageUnavailable("the upload took too long; send it again")

        return check

    def store(
        self, tenant: TenantName, submissions: Sequence[Submission], blobs: Mapping[BlobRef, BlobContent]
    ) -> None:
        """Store announced blobs, and the code of submissions. After an error, some of them may be stored.

        Raises:
            NotFound: The code of an earlier job is gone.
            StorageUnavailable: The store is unavailable.
        """
        self._blobs.store(tenant, blobs)
        codes: dict[ObjectKey, bytes] = {}
        for submission in submissions:
            code_key = submission.spec.code_key
            if submission.code_source is None:
                codes[code_key] = submission.code or b""
            else:
                self._copy(submission.code_source, code_key)
        if len(codes) == 1:
            ((code_key, code),) = codes.items()
            self._code_store.put(code_key, code, CODE_CONTENT_TYPE)
        elif codes:
            self._code_store.put_all(codes, CODE_CONTENT_TYPE)

    def discard(
        self, tenant: TenantName, submissions: Sequence[Submission], blobs: Collection[BlobRef] = ()
    ) -> None:
        """Delete the code of submissions that became no jobs, and withdraw the blobs stored for them."""
        self._blobs.withdraw(tenant, blobs)
        keys = [submission.spec.code_key for submission in submissions]
        try:
            if len(keys) == 1:
                self._code_store.delete(keys[0])
            else:
                self._code_store.delete_all(keys)
        except DependencyUnavailable as error:
            logger.warning("%d objects belong to no job and could not be removed: %s", len(keys), error)

    def _copy(self, source: ObjectKey, code_key: ObjectKey) -> None:
        try:
            self._code_store.copy(source, code_key, CODE_CONTENT_TYPE, self._max_code_bytes)
        except NotFound:
            raise NotFound("code", source) from None
