"""The metrics of the service, as a table: names, help texts, labels with their values, and buckets.

Every label has a fixed set of values, or takes them from a table of the program with a limited number of
rows. No value comes from a caller, so the number of series does not grow with tenants, projects or jobs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.quota import QUOTA_NAMES

PREFIX = "service_server_"
# Replaces a value that a label does not have.
OTHER = "other"


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """A label and its values.

    Attributes:
        values: The values; None if they come from a table in another part of the program.
        at_most: The maximum number of values in that table; any further value counts as OTHER.
    """

    name: str
    values: frozenset[str] | None = None
    at_most: int = 0

    @property
    def size(self) -> int:
        """The maximum number of values, including OTHER."""
        return 1 + (self.at_most if self.values is None else len(self.values | {OTHER}) - 1)


def _label(name: str, values: Iterable[str]) -> Label:
    return Label(name, frozenset(values))


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric.

    Attributes:
        name: Its name without the prefix, and without the suffix of its kind.
        help: An explanation in one sentence.
        is_shared: Whether every process reports the same figure, because it is read from the database or the
            queue.
    """

    name: str
    help: str
    labels: tuple[Label, ...] = ()
    is_shared: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Counter(Metric):
    """A number that only grows while the process lives.

    Attributes:
        begins_with: Label values whose series exist from the start, at 0. A counter with few series has all
            of them from the start.
    """

    begins_with: tuple[frozenset[str], ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Gauge(Metric):
    """A number that goes up and down."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Metric):
    """Counts of values by size.

    Attributes:
        buckets: The upper bounds, ascending.
    """

    buckets: tuple[float, ...] = field(kw_only=True)


def series_of(metric: Metric) -> int:
    """Return the number of series that a metric can have: the product of its labels' values."""
    series = 1
    for label in metric.labels:
        series *= label.size
    # A histogram has its buckets, the unbounded bucket, the sum and the count.
    return series * (len(metric.buckets) + 3) if isinstance(metric, Histogram) else series


# The number of pairs of a method and a route. Pages of one section of the dashboard count as one route.
MAX_ROUTES = 140
# The number of kinds of interpreters and compilers that are started ahead of their jobs.
MAX_WARM_KINDS = 12

_ROUTE = Label("route", at_most=MAX_ROUTES)
_LANGUAGE = _label("language", LANGUAGES)
_DEPENDENCY = _label(
    "dependency",
    (
        "database",
        "object store",
        "code store",
        "log store",
        "queue",
        "event feed",
        "output feed",
        "rate limiter",
        "engine",
        "metrics",
        "identity provider",
    ),
)
_STORE = _label("store", ("code", "log"))
_KIND = Label("kind", at_most=MAX_WARM_KINDS)

# Requests answered from memory take a millisecond, uploads several, and waiting callers up to a minute.
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0)
# From a warm start on an idle machine to an hour in a queue.
_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0)
# From a program that prints a line to the longest time limit.
_RUN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
_STORAGE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0, 10.0)
_BYTES_BUCKETS = (1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20)
# The transactions of a purge should hold locks for less than 50 ms.
_PURGE_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)

HTTP_REQUESTS = Counter(
    "http_requests",
    "Requests by route and status class; `none`: the caller disconnected before the response.",
    (_ROUTE, _label("status_class", ("1xx", "2xx", "3xx", "4xx", "5xx", "none"))),
)
HTTP_RESPONSES = Counter(
    "http_responses",
    "Responses by status code.",
    (_label("status", map(str, (200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 400, 401, 403, 404, 405,
                                406, 408, 409, 411, 412, 413, 414, 415, 416, 417, 421, 422, 429, 431, 500,
                                501, 502, 503, 504, 507))),),
)  # fmt: skip
HTTP_REQUEST_DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from the request head to the end of the response; for a stream, the time that it was open.",
    (_ROUTE,),
    buckets=_REQUEST_BUCKETS,
)
HTTP_REQUESTS_IN_FLIGHT = Gauge(
    "http_requests_in_flight", "Requests in progress, including streams and long polls."
)
QUOTA_REFUSALS = Counter(
    "quota_refusals",
    "Requests refused because a quota or a rate limit was reached.",
    (_label("quota", QUOTA_NAMES | {"requests_per_s_of_key", "failed_keys_per_minute"}),),
)

# Reasons of failures that are not the program's fault; their series start at 0 so that alerts fire on the
# first such job.
FAULTS = frozenset(
    {
        Reason.ENGINE_ERROR,
        Reason.ENGINE_UNAVAILABLE,
        Reason.INTERNAL,
        Reason.SECRETS_UNAVAILABLE,
        Reason.STORAGE_ERROR,
        Reason.WORKER_LOST,
    }
)
JOBS_SUBMITTED = Counter("jobs_submitted", "Jobs accepted by this process.", (_LANGUAGE,))
JOBS_ENDED = Counter(
    "jobs_ended",
    "Jobs whose end was recorded by this process; the reason of a success is `none`.",
    (
        _label("status", (status.value for status in JobStatus if status.is_terminal)),
        _label("reason", ("none", *(reason.value for reason in Reason))),
        _LANGUAGE,
    ),
    begins_with=(frozenset({JobStatus.FAILED}), FAULTS, frozenset({*LANGUAGES, OTHER})),
)
JOBS_RETRIED = Counter(
    "jobs_retried", "Executions that were lost, requeued or failed, and were replaced by another attempt."
)
CLAIM_WAIT = Histogram(
    "claim_wait_seconds",
    "Time from the request of an execution to its claim by a worker.",
    buckets=_WAIT_BUCKETS,
)
START_WAIT = Histogram(
    "start_wait_seconds",
    "Time from the request of an execution to the start of its program, including the build.",
    buckets=_WAIT_BUCKETS,
)
RUN_TIME = Histogram(
    "run_seconds",
    "Wall time of programs, for executions that ended their job.",
    (_LANGUAGE,),
    buckets=_RUN_BUCKETS,
)
BUILD_TIME = Histogram("build_seconds", "Wall time of builds.", (_LANGUAGE,), buckets=_RUN_BUCKETS)
LOG_BYTES = Histogram("stored_log_bytes", "Size of stored logs in bytes.", buckets=_BYTES_BUCKETS)

WORKER_SLOTS = Gauge("worker_slots", "Maximum number of programs that this process runs at once.")
WORKER_SLOTS_BUSY = Gauge("worker_slots_busy", "Executions and cases that this process is running.")
WARM_STARTS = Counter(
    "warm_starts",
    "Starts of programs for which sandboxes are prepared; `hit`: a prepared sandbox was ready.",
    (_KIND, _label("result", ("hit", "miss"))),
)
WARM_READY = Gauge("warm_sandboxes_ready", "Prepared sandboxes that are not in use.", (_KIND,))
LEASES_EXPIRED = Counter("leases_expired", "Executions whose lease expired because their worker was lost.")
ORPHANS_RECOVERED = Counter(
    "orphans_recovered",
    "Executions of lost workers, by the outcome for the job.",
    (_label("outcome", ("run_again", "ended")),),
)

QUEUE_DEPTH = Gauge(
    "queue_depth",
    "Waiting executions, counted up to 10,000, by whether their tenant can start more (`ready`), has reached "
    "its quota of running jobs, or is suspended.",
    (_label("tenant_class", ("ready", "at_quota", "suspended")),),
    is_shared=True,
)
QUEUE_OLDEST_AGE = Gauge(
    "queue_oldest_age_seconds",
    "Time for which the oldest waiting execution has waited.",
    QUEUE_DEPTH.labels,
    is_shared=True,
)
QUEUE_POSTPONED = Gauge(
    "queue_postponed",
    "Executions that their engine refused and that wait until they are sent again, counted up to 10,000. "
    "They are not in `queue_depth`.",
    is_shared=True,
)
QUEUE_POSTPONED_OLDEST_AGE = Gauge(
    "queue_postponed_oldest_age_seconds",
    "Time since the request of the oldest execution in `queue_postponed`.",
    is_shared=True,
)
OUTBOX_MESSAGES = Gauge("outbox_messages", "Messages in the outbox, counted up to 10,000.", is_shared=True)
OUTBOX_LAG = Gauge("outbox_lag_seconds", "Age of the oldest message in the outbox.", is_shared=True)
DEAD_LETTERS = Gauge(
    "dead_letters",
    "Reports of engines and webhook events that are no longer retried, counted up to 10,000.",
    (_label("queue", ("completions", "webhooks")),),
    is_shared=True,
)
DELETIONS_PENDING = Gauge(
    "deletions_pending",
    "Objects that are to be deleted from the stores, counted up to 10,000.",
    is_shared=True,
)
DEPENDENCY_UP = Gauge(
    "dependency_up", "1 if the dependency responds to this process, 0 if not.", (_DEPENDENCY,)
)
CIRCUITS_OPEN = Gauge(
    "circuits_open",
    "Open circuit breakers, until a call succeeds or for five minutes after the last failure.",
    (_DEPENDENCY,),
)
CIRCUIT_OPENINGS = Counter("circuit_openings", "Times that a circuit breaker opened.", (_DEPENDENCY,))
RETRIES = Counter("retries", "Calls and transactions that were retried after a failure.", (_DEPENDENCY,))
DATABASE_CONNECTIONS = Gauge(
    "database_connections",
    "Connections in this process's database pool.",
    (_label("state", ("in_use", "idle")),),
)
DATABASE_CONNECTIONS_MAX = Gauge("database_connections_max", "Maximum size of this process's database pool.")
STORAGE_DURATION = Histogram(
    "storage_duration_seconds",
    "Duration of calls to the object stores.",
    (_STORE, _label("operation", ("put", "get", "copy", "delete"))),
    buckets=_STORAGE_BUCKETS,
)
STORAGE_ERRORS = Counter("storage_errors", "Failed calls to the object stores.", STORAGE_DURATION.labels)
PENDING_RESULTS = Gauge(
    "pending_results",
    "Results on this machine's disk that could not yet be written to the log store or the database.",
)
WEBHOOK_ATTEMPTS = Counter(
    "webhook_attempts",
    "Attempts to post an event to a webhook or callback.",
    (_label("outcome", ("delivered", "failed", "dead_lettered")),),
)

PURGED_ROWS = Counter(
    "purged_rows",
    "Rows deleted from the database by purges and retention.",
    (
        _label(
            "kind",
            (
                "jobs",
                "executions",
                "cases",
                "batches",
                "audit",
                "usage",
                "idempotency_keys",
                "sessions",
                "deliveries",
            ),
        ),
    ),
)
PURGED_OBJECTS = Counter("purged_objects", "Objects deleted from the stores.", (_STORE,))
PURGED_BYTES = Counter("purged_bytes", "Stored bytes of deleted jobs and files.")
PURGE_DURATION = Histogram(
    "purge_batch_seconds", "Duration of the transactions of a purge.", buckets=_PURGE_BUCKETS
)

BACKLOG_PUBLICATIONS = Counter(
    "backlog_publications",
    "Attempts of this process to send the backlog to CloudWatch.",
    (_label("result", ("published", "failed")),),
)
READ_ERRORS = Counter(
    "metric_read_errors",
    "Values that could not be read for a scrape, which omits their series.",
    (_DEPENDENCY,),
)

METRICS: tuple[Metric, ...] = tuple(value for value in vars().values() if isinstance(value, Metric))
