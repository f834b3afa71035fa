"""The routes of the dashboard."""

from typing import Any

from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException as NoSuchRoute
from litestar.response import Redirect

from application.errors import NotAuthenticated
from domain.caller import Scope
from domain.catalogue.text import Text, text
from entrypoints.http.dashboard.assets import read_asset
from entrypoints.http.dashboard.audit import AuditPages
from entrypoints.http.dashboard.batches import BatchPages
from entrypoints.http.dashboard.case_sets import CaseSetPages
from entrypoints.http.dashboard.cluster import ClusterPages
from entrypoints.http.dashboard.compare import ComparePages
from entrypoints.http.dashboard.editor import EditorPages
from entrypoints.http.dashboard.job import JobPages
from entrypoints.http.dashboard.jobs import JobsPages
from entrypoints.http.dashboard.keys import KeysPages
from entrypoints.http.dashboard.language import LanguageForm
from entrypoints.http.dashboard.members import MembersPages
from entrypoints.http.dashboard.pages import Pages, is_partial
from entrypoints.http.dashboard.project import ProjectPages
from entrypoints.http.dashboard.projects import ProjectsPages
from entrypoints.http.dashboard.sign_in import SignInPages, to_sign_in
from entrypoints.http.dashboard.sign_out import SignOutForms
from entrypoints.http.dashboard.tenants import TenantsPages
from entrypoints.http.dashboard.usage import UsagePages
from entrypoints.http.dashboard.waits import read_waits
from entrypoints.http.dashboard.webhooks import WebhooksPages
from entrypoints.http.errors import problem_response, problem_texts
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.routing import OwnRouter

_ROOT = "/dashboard"
_NOT_FOUND = 404
_INTERNAL = 500
_UNAVAILABLE = 503


@get("/", sync_to_thread=False, include_in_schema=False, scope=None)
def first_page() -> Redirect:
    """Redirect the root to the dashboard."""
    return Redirect("/dashboard")


@get("/engine", sync_to_thread=True, include_in_schema=False, scope=Scope.JOBS_READ)
def engine_banner(request: AnyRequest, pages: NamedDependency[Pages]) -> Response[bytes]:
    """Show only the banner that the engine is down."""
    engine_down = pages.engine_banner.checked(pages.visitor(request))
    return pages.part(request, "_engine.html", {"engine_down": engine_down})


_PAGES = (
    *(ProjectsPages, ProjectPages, JobsPages, JobPages, ComparePages, BatchPages, ClusterPages, read_asset),
    *(SignInPages, SignOutForms, KeysPages, UsagePages, MembersPages, AuditPages, TenantsPages),
    *(WebhooksPages, LanguageForm, engine_banner, read_waits),
)
# Pages with file uploads.
_WITH_FILES = (EditorPages, CaseSetPages)


def dashboard_router(pages: Pages, max_upload_bytes: int) -> Router:
    """Return the router of the dashboard's pages.

    Args:
        pages: Renders the pages.
        max_upload_bytes: The maximum size of a form with files; other bodies have the usual limit.
    """
    with_files = OwnRouter("/", route_handlers=_WITH_FILES, request_max_body_size=max_upload_bytes)
    return OwnRouter(
        _ROOT,
        route_handlers=[*_PAGES, with_files],
        dependencies={"pages": Provide(lambda: pages, sync_to_thread=False)},
        include_in_schema=False,
        exception_handlers={Exception: error_page},
    )


def error_answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """Return the response to an error of the application: a page on paths below the dashboard."""
    is_of_page = request.scope["path"].startswith(f"{_ROOT}/")
    return error_page(request, error) if is_of_page else problem_response(request, error)


def error_page(request: AnyRequest, error: Exception) -> Response[Any]:
    """Show an error with advice, on its own page or in the part that a script requested."""
    if isinstance(error, NotAuthenticated):
        return to_sign_in(request)
    answer = problem_response(request, error)
    problem = answer.content
    pages: Pages = request.app.state.pages
    template = "_fault.html" if is_partial(request) else "fault.html"
    page = pages.page(
        request,
        template,
        {"problem": problem, "texts": _texts(request, error), "advice": _advice(problem.status)},
        status_code=problem.status,
    )
    page.headers.update(answer.headers)
    return page


def _texts(request: AnyRequest, error: Exception) -> tuple[Text, Text | str]:
    title, detail = problem_texts(request, error)
    if isinstance(error, NoSuchRoute):
        return title, text("common.no_such_page", path=request.scope["path"])
    return title, detail


def _advice(status: int) -> Text:
    if status == _NOT_FOUND:
        return text("common.advice_not_found")
    if status == _UNAVAILABLE:
        return text("common.advice_unavailable")
    if status >= _INTERNAL:
        return text("common.advice_internal")
    return text("common.advice_other")
