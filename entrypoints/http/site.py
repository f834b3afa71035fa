"""The pages that an application serves to browsers beside its API: the dashboard and the API's document."""

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
        pages: Renders those of the dashboard.
        routes: Where they are.
        answer_error: Answers an error with a page where pages are, and as the API does elsewhere.
        documentation: Describes the API, and where its pages are.
    """

    pages: Pages
    routes: Sequence[ControllerRouterHandler]
    answer_error: Callable[[AnyRequest, Exception], Response[Any]]
    documentation: OpenAPIConfig

    @classmethod
    def of(cls, settings: Settings, services: Services) -> Self:
        """Returns the pages of a service."""
        pages = Pages(
            environment_name=settings.environment,
            asks_for_keys=settings.asks_for_keys,
            is_open_to_all=settings.is_open_to_all,
            engine_banner=EngineBanner(services.check_health, services.cluster_reader),
        )
        dashboard = dashboard_router(pages, settings.max_form_bytes)
        routes = (files_router(), read_document, reference_page, first_page, dashboard)
        return cls(pages, routes, error_answer, openapi_config(version("service-server")))
