"""Sign-out from the dashboard."""

import asyncio
from typing import Any, Literal

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from application.session_authenticator import StoredSession
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.sign_in import SIGN_IN
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.request_context import caller_address

_SEE_OTHER: Literal[303] = 303


class SignOutForms(Controller):
    """Sign-out in this browser or everywhere. It needs no scope."""

    path = "/sign-out"
    opt = {"scope": None}  # noqa: RUF012 - as in the framework

    @post()
    async def here(self, request: AnyRequest, api: NamedDependency[Api]) -> Response[Any]:
        """End the visitor's session."""
        stored = await _own_session(request, api)
        if stored is not None:
            await asyncio.to_thread(api.services.sign_out, stored, caller_address.get() or None)
        return _left(api)

    @post("/everywhere")
    async def everywhere(self, request: AnyRequest, api: NamedDependency[Api]) -> Response[Any]:
        """End all sessions of the visitor's principal."""
        stored = await _own_session(request, api)
        if stored is not None:
            await asyncio.to_thread(api.services.sign_out.everywhere, stored, caller_address.get() or None)
        return _left(api)


async def _own_session(request: AnyRequest, api: Api) -> StoredSession | None:
    """Return the session to end, if it is open and the form is from one of its pages."""
    stored = await api.visitors.session_of(request.scope)
    if stored is not None:
        await read_form(request)
    return stored


def _left(api: Api) -> Response[Any]:
    response = Redirect(SIGN_IN, status_code=_SEE_OTHER)
    response.set_cookie(api.session_cookies.ended())
    return response
