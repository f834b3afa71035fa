from importlib.metadata import version

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig

from entrypoints.container import Container
from entrypoints.http import ignored_fields, request_id
from entrypoints.http.admission import Admission
from entrypoints.http.api_document import ApiDocument
from entrypoints.http.api_page import files_router, openapi_config, read_document, reference_page
from entrypoints.http.conditional import ConditionalRequests
from entrypoints.http.controllers.completions import CompletionsController
from entrypoints.http.controllers.health import HealthController
from entrypoints.http.controllers.history import HistoryController
from entrypoints.http.controllers.jobs import JobsController
from entrypoints.http.controllers.logs import LogsController
from entrypoints.http.controllers.machines import MachinesController
from entrypoints.http.controllers.output import OutputController
from entrypoints.http.controllers.projects import ProjectsController
from entrypoints.http.controllers.running import RunningController
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dashboard.router import dashboard_router, first_page
from entrypoints.http.dependencies import dependencies, resolve_in_turn
from entrypoints.http.edge import Edge
from entrypoints.http.errors import to_problem
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.lifespan import lifespan
from entrypoints.http.live.job_signals import JobSignals
from entrypoints.http.live.places import Places
from entrypoints.http.parameters import check_url
from entrypoints.http.server import max_streams
from entrypoints.http.webhook_signature import WebhookVerifier
from entrypoints.settings import Settings, webhook_key
from entrypoints.worker.runtime import Background

_CONTROLLERS = (
    RunningController,
    JobsController,
    OutputController,
    HistoryController,
    ProjectsController,
    LogsController,
    MachinesController,
)


def create_app(container: Container, *, runtime: Background | None = None) -> Litestar:
    """Build the HTTP API.

    Args:
        container: Gives the use cases.
        runtime: What runs behind the API and is to start and stop with it.
    """
    settings = container.settings()
    streams = max_streams(settings.max_streams)
    signals = JobSignals(
        container.event_feed,
        lambda job_ids: container.job_queries().versions(job_ids),
        streams,
        settings.share_of_address(streams),
    )
    pages = Pages(secure=settings.base_url.startswith("https:"), environment_name=settings.environment)
    verifier = WebhookVerifier([webhook_key(secret) for secret in settings.webhook_secrets])
    cors = _cors(settings)
    app = Litestar(
        [
            Router("/api", route_handlers=_CONTROLLERS),
            Router(
                "/api",
                route_handlers=[CompletionsController],
                request_max_body_size=settings.max_report_bytes,
            ),
            HealthController,
            files_router(),
            read_document,
            reference_page,
            first_page,
            dashboard_router(),
        ],
        before_request=check_url,
        cors_config=cors,
        debug=False,  # whatever the setting: a page with a stack trace is for nobody who calls
        dependencies=dependencies(container, signals, pages, verifier),
        exception_handlers={Exception: to_problem},
        lifespan=[lifespan(settings.http_threads, signals, runtime)],
        logging_config=None,
        openapi_config=openapi_config(version("service-server")),
        request_class=JsonRequest,
        request_max_body_size=settings.max_body_bytes,
    )
    resolve_in_turn(app)
    app.asgi_handler = Edge(
        ConditionalRequests(app.asgi_handler), cors, Admission(settings.served_hosts, cors)
    )
    large_bodies = settings.max_large_bodies
    app.state.body_places = Places(
        large_bodies, "other large bodies are being received", settings.share_of_address(large_bodies)
    )
    app.state.min_upload_bytes_per_s = settings.min_upload_bytes_per_s
    app.state.api_document = ApiDocument(settings.submission_limits, container.limit_policy())
    app.state.signals = signals
    app.state.pages = pages
    app.state.webhook_verifier = verifier
    return app


def _cors(settings: Settings) -> CORSConfig:
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_origin_regex=settings.cors_origin_pattern,
        expose_headers=[
            "Content-Range",
            "ETag",
            "Link",
            "Retry-After",
            ignored_fields.HEADER,
            request_id.HEADER,
        ],
    )
