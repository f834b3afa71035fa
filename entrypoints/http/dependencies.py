"""Dependencies of the HTTP handlers, in one typed object that handlers take as `api`."""

from dataclasses import dataclass

from litestar.di import NamedDependency

from application.ports.clock import Clock
from application.ports.measurements import Measurements
from application.services import Services
from application.wiring.ports import Ports
from domain.caller import Caller
from domain.limits import LimitPolicy
from domain.values import JobId
from entrypoints.http.callers import Callers, caller_of_request
from entrypoints.http.concurrency import SharedBudget, StorageLimiter, StorageShare, StorageThreads
from entrypoints.http.failed_attempts import FailedAttempts
from entrypoints.http.idempotency import KeyedRequests
from entrypoints.http.json_request import AnyRequest, JsonRequest
from entrypoints.http.presenter import Presenter
from entrypoints.http.server import max_streams
from entrypoints.http.session_cookie import SessionCookies
from entrypoints.http.streaming.event_stream import EventStreams
from entrypoints.http.streaming.job_notifier import JobNotifier
from entrypoints.http.streaming.job_waiter import JobWaiter
from entrypoints.http.streaming.output_stream import Archive, OutputStreams
from entrypoints.http.visitors import Visitors
from entrypoints.http.webhook_signature import WebhookVerifier
from entrypoints.setting_types import webhook_key
from entrypoints.settings import Settings

# A log is read whole, and takes several times its size meanwhile, so this limits the memory.
_LOGS_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Api:
    """The services of the application and of the HTTP layer that handlers use."""

    settings: Settings
    limit_policy: LimitPolicy
    clock: Clock
    services: Services
    measurements: Measurements
    callers: Callers
    failed_attempts: FailedAttempts
    session_cookies: SessionCookies
    visitors: Visitors
    keyed_requests: KeyedRequests
    presenter: Presenter
    notifier: JobNotifier
    output_streams: OutputStreams
    event_streams: EventStreams
    webhook_verifier: WebhookVerifier
    storage_threads: StorageThreads
    bulk_threads: StorageShare
    log_limiter: StorageLimiter
    report_limiter: StorageLimiter
    spool_space: SharedBudget

    def job_id(self, caller: Caller, given: str) -> JobId:
        """Return the id of the job that a path names. Only a prefix of an id is looked up in the database.

        Raises:
            NotFound: There is no such job.
            AmbiguousJobId: Several ids have this prefix.
        """
        return self.services.job_reader.named(caller, given)

    def waiter(self, request: AnyRequest, caller: Caller) -> JobWaiter:
        """Return a waiter that stops waiting when the request's client disconnects."""
        return JobWaiter(
            self.notifier,
            self.services.job_reader,
            self.services.batch_reader,
            caller,
            request.receive,
            self.settings.max_wait_s,
        )


async def keyed_caller(request: JsonRequest, api: NamedDependency[Api]) -> Caller:
    """Return the caller of a request, and mark the request as in progress if it has an idempotency key.

    It depends on `api` so that the framework resolves the two in sequence; in parallel, each would be a task.

    Raises:
        Repeated: A request with the same key is in progress.
    """
    return await api.keyed_requests.begin(request, caller_of_request(request))


def build_api(*, settings: Settings, limit_policy: LimitPolicy, ports: Ports, services: Services) -> Api:
    """Build the services of the HTTP layer from the application's."""
    session_cookies = SessionCookies(secure=settings.base_url.startswith("https:"))
    visitors = Visitors(services.session_authenticator, session_cookies)
    failed_attempts = FailedAttempts(settings.max_failed_keys_per_minute)
    callers = Callers(
        services.authenticator,
        failed_attempts,
        visitors,
        services.record_refusal,
        asks_for_keys=settings.asks_for_keys,
    )
    streams = max_streams(settings.max_streams)
    notifier = JobNotifier(
        ports.event_feed, ports.job_queries.versions, streams, settings.share_of_address(streams)
    )
    storage_threads = StorageThreads(settings.storage_threads)
    log_limiter = StorageLimiter(
        storage_threads, _LOGS_AT_ONCE, "other logs are being read", settings.share_of_address(_LOGS_AT_ONCE)
    )
    half = max(settings.storage_threads // 2, 1)
    spooled_bytes = settings.max_spooled_mb << 20
    spool_space = SharedBudget(
        spooled_bytes,
        settings.share_of_address(spooled_bytes),
        "other callers are still receiving large responses",
        "the limit on large responses per address is reached",
    )
    archive = Archive(services.read_output, log_limiter, spool_space)
    return Api(
        settings=settings,
        limit_policy=limit_policy,
        clock=ports.clock,
        services=services,
        measurements=ports.measurements,
        callers=callers,
        failed_attempts=failed_attempts,
        session_cookies=session_cookies,
        visitors=visitors,
        keyed_requests=KeyedRequests(
            services.idempotent_requests,
            ports.clock,
            settings.max_wait_s,
            settings.idempotency_max_response_bytes,
        ),
        presenter=Presenter(ports.log_store),
        notifier=notifier,
        output_streams=OutputStreams(notifier, services.job_reader, ports.output_feed, archive),
        event_streams=EventStreams(notifier, services.job_reader),
        webhook_verifier=WebhookVerifier([webhook_key(secret) for secret in settings.webhook_secrets]),
        storage_threads=storage_threads,
        bulk_threads=StorageShare(storage_threads, half),
        log_limiter=log_limiter,
        report_limiter=StorageLimiter(storage_threads, half, "other reports are being processed"),
        spool_space=spool_space,
    )
