from litestar import Router, get
from litestar.response import Redirect

from entrypoints.http.dashboard.assets import read_asset
from entrypoints.http.dashboard.cluster import ClusterPages
from entrypoints.http.dashboard.error_page import to_page
from entrypoints.http.dashboard.job import JobPages
from entrypoints.http.dashboard.project import ProjectPages
from entrypoints.http.dashboard.projects import ProjectsPages

_PAGES = (ProjectsPages, ProjectPages, JobPages, ClusterPages, read_asset)


@get("/", sync_to_thread=False, include_in_schema=False)
def first_page() -> Redirect:
    """Show people who look before they read the dashboard."""
    return Redirect("/dashboard")


def dashboard_router() -> Router:
    """Return the pages."""
    return Router(
        "/dashboard",
        route_handlers=_PAGES,
        include_in_schema=False,
        exception_handlers={Exception: to_page},
    )
