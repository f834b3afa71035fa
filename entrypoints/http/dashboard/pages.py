"""Rendering of pages and parts of pages."""

import gzip
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.response import Redirect

from domain.catalogue.figures import duration, limit_figure, size
from domain.catalogue.language import Language
from domain.job_lifecycle import JobStatus, State
from entrypoints.http import csrf
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.assets import accepts_gzip, asset_url
from entrypoints.http.dashboard.code_languages import modes
from entrypoints.http.dashboard.engine import EngineBanner
from entrypoints.http.dashboard.translation import Translator, language_of_visitor, script_texts
from entrypoints.http.dashboard.visitor import Visitor, visitor_of
from entrypoints.http.json_request import AnyRequest

HTML = "text/html"  # the framework adds the charset
# Only files from this service; `data:` is for the images of disclosure triangles in stylesheets.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_TEMPLATES = Path(__file__).parent / "templates"
_VERSION_CHARS = 16
# A placeholder in a rendered part for its version: random, so no program can have printed it.
_VERSION_MARK = secrets.token_hex(16)
_SMALL_BYTES = 860  # a response that fits one packet gains nothing from compression


@cache
def _environment(language: Language) -> Environment:
    translator = Translator(language)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=translator.finalize,
    )
    named = (
        *(formatting.inert, formatting.preformatted, formatting.count, formatting.clock_time),
        *(duration, size),
    )
    environment.filters |= {function.__name__: function for function in named}
    environment.filters |= {
        "machine_time": formatting.machine_time,
        "calendar_time": formatting.calendar_time,
        "shown": translator.shown,
        "counted": formatting.counted,
    }
    environment.globals |= {
        "t": translator,
        "language": language,
        "languages_of_pages": tuple(Language),
        "script_texts": script_texts(language),
        "modes": modes,
        "asset": asset_url,
        "limit_figure": limit_figure,
        "between": formatting.between,
        "project_url": formatting.project_url,
        "sparkline": formatting.sparkline,
        "statuses": tuple(JobStatus),
        "states": tuple(State),
    }
    return environment


def is_partial(request: AnyRequest) -> bool:
    """Whether a script on a page requests a part of it."""
    return request.headers.get("hx-request") == "true"


class Pages:
    """Renders pages.

    Args:
        environment_name: The name of this installation, such as development or production.
        asks_for_keys: Whether visitors must sign in.
        is_open_to_all: Whether visitors from other hosts need not sign in.
        engine_banner: The banner while the engine is down.
    """

    def __init__(
        self, *, environment_name: str, asks_for_keys: bool, is_open_to_all: bool, engine_banner: EngineBanner
    ) -> None:
        self._environment_name = environment_name
        self._asks_for_keys = asks_for_keys
        self._is_open_to_all = is_open_to_all
        self.engine_banner = engine_banner

    def page(
        self, request: AnyRequest, template: str, context: Mapping[str, object], *, status_code: int = 200
    ) -> Response[bytes]:
        """Render a page, or a part of one."""
        token, cookie = csrf.token_of(request)
        visitor = self.visitor(request)
        html = (
            _environment(language_of_visitor(request))
            .get_template(template)
            .render(
                csrf=token,
                now=datetime.now(UTC),
                engine_down=self.engine_banner.known(visitor),
                path=request.url.path,
                current_page=_current_page(request),
                installation=self._environment_name,
                is_open_to_all=self._is_open_to_all,
                visitor=visitor,
                **context,
            )
        )
        response = _html(request, html.encode(), status_code)
        if cookie is not None:
            response.set_cookie(cookie)
        return response

    def visitor(self, request: AnyRequest) -> Visitor:
        """Return the visitor of a page."""
        return visitor_of(request, asks_for_keys=self._asks_for_keys)

    def part(
        self,
        request: AnyRequest,
        template: str,
        context: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> Response[bytes]:
        """Render a part of a page, or respond with 204 if the page already has that version of it.

        The page sends its version as `seen`.
        """
        token, cookie = csrf.token_of(request)
        html = (
            _environment(language_of_visitor(request))
            .get_template(template)
            .render(
                csrf=token,
                version=_VERSION_MARK,
                visitor=self.visitor(request),
                **context,
            )
        )
        version = hashlib.sha256(html.replace(_VERSION_MARK, "").encode()).hexdigest()[:_VERSION_CHARS]
        if request.query_params.get("seen") == version:
            return Response(b"", status_code=204, headers=headers)
        response = _html(request, html.replace(_VERSION_MARK, version).encode(), 200)
        response.headers.update(headers or {})
        if cookie is not None:
            response.set_cookie(cookie)
        return response


def go_to(request: AnyRequest, url: str) -> Response[bytes] | Redirect:
    """Redirect the visitor to another page after a form."""
    if is_partial(request):
        return Response(b"", status_code=204, headers={"HX-Redirect": url})
    return Redirect(url, status_code=303)


def _current_page(request: AnyRequest) -> str:
    """Return the path and query of a page; empty for the response to a form, which cannot be loaded again."""
    if request.method != "GET":
        return ""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _html(request: AnyRequest, html: bytes, status_code: int) -> Response[bytes]:
    headers = {
        "Content-Security-Policy": POLICY,
        # Without a referrer, a page would post its forms from the origin "null" (W3C Fetch, 3.2).
        "Referrer-Policy": "same-origin",
        "Vary": "Accept-Encoding, Accept-Language, HX-Request",
    }
    if len(html) > _SMALL_BYTES and accepts_gzip(request):
        html, headers["Content-Encoding"] = gzip.compress(html, compresslevel=5), "gzip"
    return Response(html, status_code=status_code, media_type=HTML, headers=headers)
