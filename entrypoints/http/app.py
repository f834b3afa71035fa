"""The HTTP application: routes, middleware, error handlers and lifespan."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from litestar import Controller, Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.types import ASGIApp

from application.services import Services
from application.wiring.ports import Ports
from domain.limits import LimitPolicy
from entrypoints.http.access import AccessMiddleware
from entrypoints.http.callers import CallerMiddleware
from entrypoints.http.concurrency import ConcurrencyLimiter, SharedBudget
from entrypoints.http.conditional import ConditionalRequests
from entrypoints.http.controllers.artifacts import ArtifactsController
from entrypoints.http.controllers.audit import AuditController, UsageController
from entrypoints.http.controllers.batches import BatchesController
from entrypoints.http.controllers.case_sets import CaseSetsController
from entrypoints.http.controllers.cluster import ClusterController
from entrypoints.http.controllers.completions import CompletionsController
from entrypoints.http.controllers.executions import ExecutionsController
from entrypoints.http.controllers.health import HealthController
from entrypoints.http.controllers.job_actions import JobActionsController
from entrypoints.http.controllers.jobs import JobsController
from entrypoints.http.controllers.keys import KeysController
from entrypoints.http.controllers.logs import LogsController
from entrypoints.http.controllers.metrics import read_metrics
from entrypoints.http.controllers.output import OutputController
from entrypoints.http.controllers.projects import ProjectsController
from entrypoints.http.controllers.retention import RetentionController
from entrypoints.http.controllers.tenants import TenantsController
from entrypoints.http.controllers.timeline import TimelineController
from entrypoints.http.controllers.webhooks import JobDeliveriesController, WebhooksController
from entrypoints.http.cut_waits import WAIT_HEADER, report_cut_wait
from entrypoints.http.dependencies import Api, build_api, keyed_caller
from entrypoints.http.errors import problem_response
from entrypoints.http.idempotency import REPLAYED_HEADER, IdempotencyMiddleware
from entrypoints.http.json_request import IGNORED_FIELDS_HEADER, AnyRequest, JsonRequest
from entrypoints.http.keys_in_urls import refuse_key_in_query
from entrypoints.http.openapi_document import OpenApiDocument
from entrypoints.http.origin_guard import OriginGuard
from entrypoints.http.parameters import check_url
from entrypoints.http.query_names import check_query_names, note_query_names
from entrypoints.http.rate_limits import LIMIT_HEADER, POLICY_HEADER, RequestRates
from entrypoints.http.request_context import REQUEST_ID_HEADER
from entrypoints.http.request_metrics import RequestMeter
from entrypoints.http.routing import OwnRouter
from entrypoints.http.streaming.job_notifier import JobNotifier
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from entrypoints.http.site import Site

_CONTROLLERS = (
    JobsController,
    JobActionsController,
    OutputController,
    ArtifactsController,
    TimelineController,
    ProjectsController,
    LogsController,
    ClusterController,
    AuditController,
    KeysController,
    UsageController,
    TenantsController,
    RetentionController,
    WebhooksController,
    JobDeliveriesController,
)


def create_app(
    settings: Settings,
    limit_policy: LimitPolicy,
    ports: Ports,
    services: Services,
    site: "Site | None" = None,
) -> Litestar:
    """Build the HTTP API, with the pages of a site if there is one."""
    api = build_api(settings=settings, limit_policy=limit_policy, ports=ports, services=services)
    cors = _cors(settings)

    meter = RequestMeter(ports.measurements)

    # A function, because the framework copies any other callable for each route.
    def idempotent(app: ASGIApp) -> ASGIApp:
        return IdempotencyMiddleware(app, api.keyed_requests)

    def router(controllers: Sequence[type[Controller]], max_bytes: int) -> OwnRouter:
        return OwnRouter(
            "/api", route_handlers=controllers, middleware=[idempotent], request_max_body_size=max_bytes
        )

    app = Litestar(
        [
            router(_CONTROLLERS, settings.max_body_bytes),
            router([ExecutionsController, CaseSetsController], settings.max_form_bytes),
            router([CompletionsController], settings.max_report_bytes),
            router([BatchesController], settings.max_batch_bytes),
            HealthController,
            read_metrics,
            *(site.routes if site else ()),
        ],
        after_exception=[meter.refused],
        before_request=_check_request,
        before_send=[report_cut_wait],
        cors_config=cors,
        debug=False,  # independent of the settings: callers get no stack traces
        dependencies={
            "api": Provide(lambda: api, sync_to_thread=False),
            "caller": Provide(keyed_caller),
        },
        exception_handlers={Exception: site.answer_error if site else problem_response},
        lifespan=[_lifespan(settings.http_threads, api.notifier)],
        logging_config=None,
        middleware=[CallerMiddleware],
        openapi_config=site.documentation if site else None,
        request_class=JsonRequest,
        request_max_body_size=settings.max_body_bytes,
    )
    note_query_names(app)
    # Not in `middleware`, which the framework calls only after it has found the route.
    checks = [OriginGuard(settings.served_hosts, cors).check]
    if settings.asks_for_keys:
        checks.append(refuse_key_in_query)
    app.asgi_handler = AccessMiddleware(ConditionalRequests(app.asgi_handler), checks, meter, ports.tracing)
    _fill_state(app, settings, limit_policy, ports, api, site)
    return app


def _fill_state(
    app: Litestar,
    settings: Settings,
    limit_policy: LimitPolicy,
    ports: Ports,
    api: Api,
    site: "Site | None",
) -> None:
    """Set what middleware and requests read from the state of the application."""
    large_bodies = settings.max_large_bodies
    app.state.body_limiter = ConcurrencyLimiter(
        large_bodies, "other large bodies are being received", settings.share_of_address(large_bodies)
    )
    app.state.callers = api.callers
    app.state.file_limits = settings.file_limits
    app.state.max_body_bytes = settings.max_body_bytes
    app.state.max_upload_bytes = settings.max_upload_mb << 20
    spooled_bytes = settings.max_spooled_mb << 20
    app.state.upload_space = SharedBudget(
        spooled_bytes,
        settings.share_of_address(spooled_bytes),
        "other callers are still uploading files",
        "the limit on concurrent uploads per address is reached",
    )
    app.state.min_upload_bytes_per_s = settings.min_upload_bytes_per_s
    app.state.openapi_document = OpenApiDocument(
        settings.submission_limits,
        limit_policy,
        max_batch_jobs=settings.max_batch_jobs,
        max_job_actions=settings.max_job_actions,
        asks_for_keys=settings.asks_for_keys,
    )
    app.state.max_wait_s = settings.max_wait_s
    app.state.notifier = api.notifier
    app.state.pages = site.pages if site else None
    app.state.session_cookies = api.session_cookies
    app.state.request_rates = RequestRates(ports.rate_limiter)
    app.state.webhook_verifier = api.webhook_verifier


async def _check_request(request: AnyRequest) -> None:
    await check_url(request)
    check_query_names(request)


def _cors(settings: Settings) -> CORSConfig:
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_origin_regex=settings.cors_origin_pattern,
        expose_headers=[
            "Content-Range",
            "ETag",
            "Link",
            "Retry-After",
            LIMIT_HEADER,
            POLICY_HEADER,
            IGNORED_FIELDS_HEADER,
            WAIT_HEADER,
            REPLAYED_HEADER,
            REQUEST_ID_HEADER,
        ],
    )


def _lifespan(threads: int, notifier: JobNotifier) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return the lifespan of the application's threads and notifier."""

    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        executor = ThreadPoolExecutor(threads, thread_name_prefix="http")
        asyncio.get_running_loop().set_default_executor(executor)
        await notifier.start()
        # Objects loaded so far are permanent: exempting them from garbage collection takes the slowest
        # responses from 50 ms to 3 ms.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await notifier.stop()

    return run
