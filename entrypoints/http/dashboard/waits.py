"""The causes of waits, for the first page."""

from litestar import Response, get
from litestar.di import NamedDependency

from application.queries.queue_reader import MAX_LISTED
from application.queries.wait_causes import WaitCause
from domain.caller import Caller, Scope
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

# Waits that end without an intervention.
_PASSING = {WaitCause.NEXT, WaitCause.RETRY}


@get("/waits", sync_to_thread=True, include_in_schema=False, scope=Scope.JOBS_READ)
def read_waits(
    request: AnyRequest,
    pages: NamedDependency[Pages],
    caller: NamedDependency[Caller],
    api: NamedDependency[Api],
) -> Response[bytes]:
    """Show the number of waiting jobs by cause."""
    causes = api.services.queue_reader.causes(caller)
    is_cut = sum(summary.jobs for summary in causes) >= MAX_LISTED
    shown = [summary for summary in causes if summary.wait.cause not in _PASSING]
    return pages.part(request, "_waits.html", {"causes": shown, "more": "+" if is_cut else ""})
