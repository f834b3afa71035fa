"""The pages of batches: the list, and one batch with its jobs."""

import asyncio

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from application.queries.batch_reader import DEFAULT_BATCHES
from application.views import BatchView
from domain.caller import Caller, Scope
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_batch, read_cursor, write_cursor


class BatchPages(Controller):
    """Batches, with the number of their jobs by status."""

    path = "/batches"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show_all(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        cursor: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        """Show the batches, newest first."""
        after = None if cursor is None else read_cursor(cursor)
        page = api.services.batch_reader.page(caller, DEFAULT_BATCHES, after, with_jobs=False)
        context = {
            "batches": page.batches,
            "older": None if page.next is None else write_cursor(page.next),
            "is_first": cursor is None,
        }
        return pages.page(request, "batches.html", context)

    @get("/{batch:str}", sync_to_thread=True, scope=Scope.JOBS_READ)
    def show(
        self,
        request: AnyRequest,
        batch: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show a batch and its jobs."""
        view = api.services.batch_reader.get(caller, existing_batch(batch))
        return pages.page(request, "batch.html", {"version": "", **_context(view)})

    @get("/{batch:str}/state", sync_to_thread=True, scope=Scope.JOBS_READ)
    def state(
        self,
        request: AnyRequest,
        batch: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show a batch and its jobs, without the surrounding page."""
        view = api.services.batch_reader.get(caller, existing_batch(batch))
        return pages.part(request, "_batch.html", _context(view))

    @post("/{batch:str}/cancel", scope=Scope.JOBS_WRITE)
    async def cancel(
        self,
        request: AnyRequest,
        batch: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Cancel the jobs of a batch that have not ended."""
        await read_form(request)
        await asyncio.to_thread(api.services.cancel_batch, caller, existing_batch(batch))
        return go_to(request, f"/dashboard/batches/{batch}")


def _context(view: BatchView) -> dict[str, object]:
    return {
        "view": view,
        "batch_id": str(view.batch.id),
        "jobs": list(view.jobs or ()),
    }
