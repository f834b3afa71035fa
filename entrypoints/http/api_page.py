"""The API page: Swagger UI from files that come with the service, so that it works offline."""

from functools import cache
from pathlib import Path
from typing import Any

from litestar import Request, Router
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Tag
from litestar.static_files import create_static_files_router

_FILES = Path(__file__).parent / "static" / "docs"
# Nothing from elsewhere, and nothing inline. Swagger UI draws its icons from data URLs.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DESCRIPTION = """
Upload source code, execute it, read its result and its log.

Every error is `application/problem+json` (RFC 9457). Times are RFC 3339 in UTC. Each answer has an
`X-Request-ID`, which a caller may choose.
"""
_TAGS = (
    ("Running", "Upload, execute, cancel, and ask where a job stands."),
    ("Jobs", "Find jobs and read what came of them."),
    ("Projects", "Jobs are kept together in projects."),
    ("Machines", "What programs run on."),
    ("Engines", "What execution engines report."),
    ("Health", "Whether the service answers."),
)


class _ApiPage(OpenAPIRenderPlugin):
    """The page itself; what it loads stands beside it."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page = (_FILES / "index.html").read_bytes()

    def render(self, _request: Request[Any, Any, Any], _openapi_schema: dict[str, Any]) -> bytes:
        return self._page


def openapi_config(version: str) -> OpenAPIConfig:
    """Describe the API at /docs/openapi.json, and show it at /docs."""
    return OpenAPIConfig(
        title="Service Server",
        version=version,
        description=_DESCRIPTION,
        tags=[Tag(name=name, description=description) for name, description in _TAGS],
        render_plugins=[_ApiPage(), JsonRenderPlugin()],
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            before_request=_refuse_unknown,
            response_headers={"Content-Security-Policy": _POLICY},
        ),
    )


def files_router() -> Router:
    """Serve what the page loads."""
    return create_static_files_router(
        "/docs/static",
        directories=[_FILES],
        name="docs-files",
        cache_control=CacheControlHeader(max_age=86_400, public=True),
        resolve_symlinks=False,
        before_request=_refuse_unknown_file,
    )


async def _refuse_unknown_file(request: Request[Any, Any, Any]) -> None:
    """Look for no file whose name the system may not even take.

    Raises:
        NotFoundException: There is no such file.
    """
    if str(request.path_params["file_path"]).lstrip("/") not in _file_names():
        raise NotFoundException


@cache
def _file_names() -> frozenset[str]:
    return frozenset(str(path.relative_to(_FILES)) for path in _FILES.rglob("*") if path.is_file())


async def _refuse_unknown(request: Request[Any, Any, Any]) -> None:
    """Answer for what is not there as every other route does, not with the framework's page.

    Raises:
        NotFoundException: There is no such document.
    """
    if "path" in request.path_params:
        raise NotFoundException
