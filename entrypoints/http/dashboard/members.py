"""The page of the tenant's members: the principals that have signed in, and their sessions."""

import asyncio

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from domain.caller import Caller, Scope
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_session
from entrypoints.http.visitors import stored_session

_PAGE = "/dashboard/members"


class MembersPages(Controller):
    """The members and their sessions."""

    path = "/members"
    opt = {"scope": Scope.KEYS_WRITE}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the members."""
        return pages.page(request, "members.html", {"version": "", **_context(request, caller, api)})

    @get("/list", sync_to_thread=True)
    def refresh(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the lists."""
        return pages.part(request, "_members.html", _context(request, caller, api))

    @post("/sessions/{session:str}/end")
    async def end(
        self,
        request: AnyRequest,
        session: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """End a session."""
        await read_form(request)
        await asyncio.to_thread(api.services.sign_out.of_member, caller, existing_session(session))
        return go_to(request, _PAGE)


def _context(request: AnyRequest, caller: Caller, api: Api) -> dict[str, object]:
    own = stored_session(request)
    return {
        "found": api.services.session_reader.members(caller),
        "own_session": None if own is None else own.session.id,
    }
