"""Command: store the logs that are kept on this machine's disk, and complete their executions."""

import logging
import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from application.blobs import Blobs
from application.errors import NotFound, StorageUnavailable
from application.kept_claims import KeptClaims
from application.log_archive import LogArchive, without_log
from application.log_context import logging_about
from application.ports.clock import Clock
from application.ports.result_spool import KeptResult, ResultSpool
from application.ports.unit_of_work import UnitOfWork
from application.use_cases.complete_execution import CompleteExecution, awaiting_job, discard_result
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")


class StoreKeptResults:
    """Stores the logs of results that `FinishExecution` kept, and completes their executions.

    * While the log store is unavailable, the claims of the kept results are renewed.
    * When a result has waited for too long, its execution ends as FAILED with the reason storage_error.
      Setting a clock during the outage does not change how long a result waits.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        log_archive: LogArchive,
        blobs: Blobs,
        spool: ResultSpool,
        complete_execution: CompleteExecution,
        clock: Clock,
        kept_claims: KeptClaims,
        kept_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._log_archive = log_archive
        self._blobs = blobs
        self._spool = spool
        self._complete_execution = complete_execution
        self._clock = clock
        self._kept_claims = kept_claims
        self._kept_s = kept_s
        # By name: the times when this process first found a result, by the clock and by the monotonic one.
        self._found: dict[str, tuple[datetime, float]] = {}

    def __call__(self) -> int:
        """Store the kept logs and complete their executions; return how many were completed.

        Raises:
            StorageUnavailable: The log store is still unavailable.
        """
        names = list(self._spool.names())
        found = (self._clock.now(), self._clock.monotonic())
        self._found = {name: self._found.get(name, found) for name in names}
        random.shuffle(names)  # otherwise a log that the store always refuses would block all others
        try:
            for name in names:
                self._store_one(name)
        except StorageUnavailable:
            # Not before the attempt: after a clock was set, a result only seems to have waited for too long.
            left = self._spool.names()
            expired = list(takewhile(self._expire, left))
            if len(expired) == len(left):
                return len(names)
            self._kept_claims.renew(self._spool.executions())
            raise
        return len(names)

    def _is_expired(self, name: str, ended_at: datetime) -> bool:
        found_at, since = self._found.get(name, (self._clock.now(), self._clock.monotonic()))
        waited = found_at - ended_at + timedelta(seconds=self._clock.monotonic() - since)
        return waited > timedelta(seconds=self._kept_s)

    def _expire(self, name: str) -> bool:
        """Give up a result that has waited for too long; return whether it was given up."""
        with self._spool.opened(name) as opened:
            if opened is None:
                return False
            kept, _log = opened
            if not kept.has_log or not self._is_expired(name, kept.ended_at):
                return False
            logger.error("the log of execution %s is lost: it could not be stored in time", kept.execution_id)
            self._end_kept(name, replace(kept, result=without_log(kept.result), log_bytes=0))
            return True

    def _store_one(self, name: str) -> None:
        with self._spool.opened(name) as opened:
            if opened is not None:
                kept, log = opened
                log_key = kept.result.log_key if kept.has_log else None
                if log_key is not None and self._exists(kept.execution_id):
                    self._log_archive.store(log_key, log)
                self._end_kept(name, kept)

    def _end_kept(self, name: str, kept: KeptResult) -> None:
        execution_id = kept.execution_id
        try:
            awaiting = self._unit_of_work.read(lambda transaction: awaiting_job(transaction, execution_id))
            if awaiting is not None:
                job, _execution = awaiting
                self._blobs.announce(job.tenant, frozenset(file.blob for file in kept.result.artifacts))
                with logging_about(*awaiting):
                    self._complete_execution(execution_id, kept.result, log_bytes=kept.log_bytes)
        except NotFound:
            discard_result(self._unit_of_work, execution_id, kept.result)
        self._spool.remove(name)

    def _exists(self, execution_id: ExecutionId) -> bool:
        found = self._unit_of_work.read(lambda transaction: transaction.executions.get(execution_id))
        return found is not None
