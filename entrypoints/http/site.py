"""The pages that an application serves to browsers besides its API: the dashboard and the API docs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

from litestar import Response
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from application.services import Services
from entrypoints.http.dashboard.engine import EngineBanner
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dashboard.router import dashboard_router, error_answer, first_page
from entrypoints.http.docs_pages import files_router, openapi_config, read_document, reference_page
from entrypoints.http.json_request import AnyRequest
from entrypoints.settings import Settings


@dataclass(frozen=True)
class Site:
    """The pages of one application.

    Attributes:
        pages: Renders the pages of the dashboard.
        routes: The routes of the pages.
        answer_error: Answers an error with a page on the routes of pages, and as the API does elsewhere.
        documentation: The configuration of the OpenAPI document and its pages.
    """

    pages: Pages
    routes: Sequence[ControllerRouterHandler]
    answer_error: Callable[[AnyRequest, Exception], Response[Any]]
    documentation: OpenAPIConfig

    @classmethod
    def of(cls, settings: Settings, services: Services) -> Self:
        """Return the pages of a service."""
        pages = Pages(
            environment_name=settings.environment,
            asks_for_keys=settings.asks_for_keys,
            is_open_to_all=settings.is_open_to_all,
            engine_banner=EngineBanner(services.check_health, services.cluster_reader),
        )
        dashboard = dashboard_router(pages, settings.max_form_bytes)
        routes = (files_router(), read_document, reference_page, first_page, dashboard)
        return cls(pages, routes, error_answer, openapi_config(version("service-server")))
