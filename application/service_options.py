"""The options of the use cases."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from application.errors import DependencyUnavailable
from application.metrics import RETRIES
from application.ports.measurements import Measurements
from application.ports.purge_repository import StoreName
from application.retry_policy import RetryPolicy
from application.use_cases.apply_retention import RetentionRules
from application.use_cases.deliver_webhooks import DeliveryRules
from domain.limits import STANDARD_LIMITS, LimitPolicy, Limits
from domain.membership import MembershipRules
from domain.retrying import Backoff
from domain.submission_limits import SubmissionLimits

# If a log cannot be stored after this delay, it is kept on this machine's disk and its worker continues.
_LOG_STORAGE_RETRY = RetryPolicy((0.2,))
# A claim or a start waits up to five minutes for the database, enough for a failover or a restart.
_DATABASE_RETRY = RetryPolicy((0.2, 0.5, 1.0, *[2.0] * 149))


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """Options of use cases, from the settings (see `docs/settings.md`) and from the service itself.

    Attributes:
        worker: The name of this process in the claims that it makes.
        checks_engine: Whether this process's own engine counts toward the service's health.
        separates_tenants: Whether this process runs programs, and those of several tenants only if they are
            fully isolated from each other.
        worker_threads: How many programs each worker runs at once.
        slots: How many programs this process runs at once; 0 if other processes run them.
        max_wake_ups: The maximum number of wake-ups in the queue for executions that still wait.
        database_retry: The delays before further attempts to record a claim, a start or an end.
        log_storage_retry: The delays before further attempts to store a log.
        spool_directory: The directory for logs that are too large for memory.
        cases_max_s: The maximum time that all cases of a job may take together.
        checker_timeout_ms: The limit of a checker or an interactor for one case, for both wall and processor
            time.
        checker_memory_mb: The memory of a checker or an interactor, in addition to its files.
        swept_stores: The stores used by this service alone, from which objects without a row are removed.
        cluster: The name, in their metrics, of the machines that run programs.
        sample_patience_s: How long this process leaves a minute's cluster sample to other processes.
    """

    # This process
    worker: str
    checks_engine: bool
    separates_tenants: bool
    worker_threads: int
    slots: int

    # Submissions
    limit_policy: LimitPolicy
    submission_limits: SubmissionLimits
    max_batch_jobs: int
    max_job_actions: int

    # Executions
    backoff: Backoff
    lease_s: float
    renew_every_s: float
    announce_after_s: float
    engine_wait_s: float
    relay_left_behind_after_s: float
    max_wake_ups: int = 500
    database_retry: RetryPolicy = _DATABASE_RETRY

    # Results
    inline_output_bytes: int
    max_log_read_bytes: int
    max_cached_output_bytes: int
    pending_results_s: float
    spool_directory: Path
    log_storage_retry: RetryPolicy = _LOG_STORAGE_RETRY

    # Cases
    cases_max_s: float
    checker_timeout_ms: int
    checker_memory_mb: int

    # Keys and sessions
    max_keys: int
    membership_rules: MembershipRules
    session_idle_s: float
    session_max_s: float

    # Webhooks
    max_webhooks: int
    max_webhooks_of_project: int
    delivery_rules: DeliveryRules

    # Retention
    retention_rules: RetentionRules
    swept_stores: Collection[StoreName]
    unused_files_kept_hours: float
    idempotency_keys_kept_hours: float
    receipts_kept_days: float
    sessions_kept_days: float
    webhook_deliveries_kept_days: float

    # The cluster
    cluster: str
    cluster_history_kept_days: float
    sample_patience_s: float

    @property
    def judge_limits(self) -> Limits:
        """The limits of a checker or an interactor."""
        usual = STANDARD_LIMITS.resolve({})
        time_ms = self.checker_timeout_ms
        return replace(usual, timeout_ms=time_ms, cpu_time_ms=time_ms, memory_mb=self.checker_memory_mb)

    def counting_retries(self, measurements: Measurements) -> Self:
        """Return the options with retries that are counted."""

        def count(error: DependencyUnavailable) -> None:
            measurements.count(RETRIES, error.dependency)

        return replace(
            self,
            log_storage_retry=replace(self.log_storage_retry, on_retry=count),
            database_retry=replace(self.database_retry, on_retry=count),
        )
