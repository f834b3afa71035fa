from collections.abc import Callable, Mapping
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.routes import HTTPRoute

from entrypoints.container import Container
from entrypoints.http.concurrency import StorageLimiter, StorageThreads
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.presenter import Presenter
from entrypoints.http.streaming.event_stream import EventStreams
from entrypoints.http.streaming.job_notifier import JobNotifier
from entrypoints.http.streaming.job_waiter import JobWaiter
from entrypoints.http.streaming.output_stream import Archive, OutputStreams
from entrypoints.http.streaming.spooled_body import SpoolSpace
from entrypoints.http.webhook_signature import WebhookVerifier

# A log is read whole, and takes several times its size while it is: so many at once bound the memory.
_LOGS_AT_ONCE = 2
_PROVIDED = (
    "upload_code",
    "execute_job",
    "cancel_job",
    "get_job",
    "get_job_status",
    "list_jobs",
    "create_project",
    "list_projects",
    "change_project",
    "read_log",
    "read_cluster_metrics",
    "list_metric_names",
    "list_languages",
    "report_completion",
    "get_timeline",
    "read_output",
    "describe_engine",
    "summarize_projects",
    "measure_outcomes",
    "queue_history",
    "get_project",
    "read_code",
    "run_again",
    "limit_policy",
    "clock",
    "check_health",
    "settings",
)


def provide(provider: Callable[[], object]) -> Provide:
    """Let handlers name what a provider of the container gives; an override takes effect at once."""

    def dependency() -> Any:  # noqa: ANN401 - handlers name the type, this passes on whatever it is
        return provider()

    return Provide(dependency, sync_to_thread=False)


def resolve_in_turn(app: Litestar) -> None:
    """Have what a handler asks for resolved one after the other.

    Litestar makes each a task to resolve them side by side, which takes an eighth of the time of a status
    read, where all of ours are at hand.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _handler, model in route.route_handler_map.values():
                model.dependency_batches = [{one} for batch in model.dependency_batches for one in batch]


def dependencies(
    container: Container, notifier: JobNotifier, pages: Pages, verifier: WebhookVerifier
) -> Mapping[str, Provide]:
    """Return what handlers may ask for, by name."""
    settings = container.settings()

    storage_threads = StorageThreads(settings.storage_threads)
    log_limiter = StorageLimiter(storage_threads, _LOGS_AT_ONCE, "other logs are being read")
    reports_at_once = max(settings.storage_threads // 2, 1)
    report_limiter = StorageLimiter(storage_threads, reports_at_once, "other reports are being taken")
    spooled_bytes = settings.max_spooled_mb << 20
    spool_space = SpoolSpace(spooled_bytes, settings.share_of_address(spooled_bytes))
    archive = Archive(container.read_output, log_limiter, spool_space)

    def waiter(request: AnyRequest) -> JobWaiter:
        status, job = container.get_job_status(), container.get_job()
        return JobWaiter(notifier, status, job, request.receive, settings.max_wait_s)

    def streams() -> OutputStreams:
        return OutputStreams(notifier, container.get_job(), container.output_feed(), archive)

    def event_streams() -> EventStreams:
        return EventStreams(notifier, container.get_job())

    return {
        **{name: provide(getattr(container, name)) for name in _PROVIDED},
        "presenter": provide(lambda: Presenter(container.log_store())),
        "waiter": Provide(waiter, sync_to_thread=False),
        "streams": provide(streams),
        "pages": provide(lambda: pages),
        "event_streams": provide(event_streams),
        "log_limiter": provide(lambda: log_limiter),
        "spool_space": provide(lambda: spool_space),
        "report_limiter": provide(lambda: report_limiter),
        "storage_threads": provide(lambda: storage_threads),
        "webhook_verifier": provide(lambda: verifier),
    }
