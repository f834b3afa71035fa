"""The OpenAPI document and its pages: Swagger UI and Redoc, from files shipped with the service."""

from functools import cache
from pathlib import Path
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Tag
from litestar.static_files import create_static_files_router

from entrypoints.http.callers import SCOPE
from entrypoints.http.conditional import entity_tag
from entrypoints.http.openapi_document import OpenApiDocument
from entrypoints.http.routing import OwnRouter

_FILES = Path(__file__).parent / "static" / "docs"
# Nothing from other sites, and nothing inline. Swagger UI draws its icons from data URLs.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Redoc writes its styles into the page; nothing else may be inline.
_REFERENCE_POLICY = _POLICY.replace("; img-src", "; style-src 'self' 'unsafe-inline'; img-src")
_NO_CACHE = "no-cache"
_DESCRIPTION = """
Upload source code, execute it, and read its result and log.

Errors are `application/problem+json` (RFC 9457). Times are RFC 3339 in UTC. Each response has an
`X-Request-ID`, which the caller may set.
"""
_TAGS = (
    ("Running", "Upload, execute and cancel jobs, and get their status."),
    ("Jobs", "Find jobs and read their results."),
    ("Batches", "Submit many jobs at once and follow them together."),
    ("Projects", "Collections of jobs."),
    ("Case sets", "Versioned cases that many jobs of a project share."),
    ("Machines", "Languages, runtimes, the engine and the load of machines."),
    ("Engines", "Reports of execution engines."),
    ("Keys", "API keys, which authenticate callers."),
    ("Webhooks", "Subscriptions to events of jobs and batches, and their deliveries."),
    ("Retention", "How long jobs and logs of projects and tenants are kept."),
    ("Tenants", "Owners of projects, jobs and keys, with their quotas; for administrators."),
    ("Audit", "The audit log and the usage of the service."),
    ("Health", "Health checks."),
)


class _ApiPage(OpenAPIRenderPlugin):
    """The Swagger UI page."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page = (_FILES / "index.html").read_bytes()

    def render(self, _request: Request[Any, Any, Any], _openapi_schema: dict[str, Any]) -> bytes:
        return self._page


class _Document(JsonRenderPlugin):
    """The document at the framework's path, next to the page."""

    def render(self, request: Request[Any, Any, Any], _openapi_schema: dict[str, Any]) -> bytes:
        return _document(request)


def _document(request: Request[Any, Any, Any]) -> bytes:
    document: OpenApiDocument = request.app.state.openapi_document
    return document.content(request.app)


def openapi_config(version: str) -> OpenAPIConfig:
    """Return the configuration of the OpenAPI document and its pages at /docs."""
    return OpenAPIConfig(
        title="Service Server",
        version=version,
        description=_DESCRIPTION,
        tags=[Tag(name=name, description=description) for name, description in _TAGS],
        render_plugins=[_ApiPage(), _Document()],
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            before_request=_refuse_unknown,
            opt={SCOPE: None},
            response_headers={"Content-Security-Policy": _POLICY},
        ),
    )


@get("/openapi.json", sync_to_thread=False, include_in_schema=False, scope=None)
def read_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Respond with the OpenAPI document."""
    content = _document(request)
    headers = {"ETag": entity_tag(content), "Cache-Control": _NO_CACHE}
    return Response(content, media_type=MediaType.JSON, headers=headers)


@get("/redoc", sync_to_thread=False, include_in_schema=False, scope=None)
def reference_page() -> Response[bytes]:
    """Respond with the Redoc page."""
    content = (_FILES / "redoc.html").read_bytes()
    headers = {
        "Content-Security-Policy": _REFERENCE_POLICY,
        "ETag": entity_tag(content),
        "Cache-Control": _NO_CACHE,
    }
    return Response(content, media_type=MediaType.HTML, headers=headers)


def files_router() -> Router:
    """Return the router of the files that the pages load."""
    return create_static_files_router(
        "/docs/static",
        directories=[_FILES],
        name="docs-files",
        cache_control=CacheControlHeader(max_age=86_400, public=True),
        resolve_symlinks=False,
        router_class=OwnRouter,
        before_request=_refuse_unknown_file,
        opt={SCOPE: None},
    )


async def _refuse_unknown_file(request: Request[Any, Any, Any]) -> None:
    """Refuse a name that is not of a known file, because the file system may reject the name with an error.

    Raises:
        NotFoundException: There is no such file.
    """
    if str(request.path_params["file_path"]).lstrip("/") not in _file_names():
        raise NotFoundException


@cache
def _file_names() -> frozenset[str]:
    return frozenset(str(path.relative_to(_FILES)) for path in _FILES.rglob("*") if path.is_file())


async def _refuse_unknown(request: Request[Any, Any, Any]) -> None:
    """Answer unknown paths below /docs with a problem instead of the framework's page.

    Raises:
        NotFoundException: There is no such document.
    """
    if "path" in request.path_params:
        raise NotFoundException
