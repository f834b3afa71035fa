"""The page on which an administrator switches to another tenant."""

import asyncio
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency

from application.errors import Conflict
from application.session_authenticator import StoredSession
from domain.caller import Scope
from domain.catalogue.text import text
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_tenant
from entrypoints.http.request_context import caller_address
from entrypoints.http.visitors import stored_session


class TenantsPages(Controller):
    """The tenants that an administrator may view."""

    path = "/tenants"
    opt = {"scope": Scope.ADMIN}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self, request: AnyRequest, pages: NamedDependency[Pages], api: NamedDependency[Api]
    ) -> Response[bytes]:
        """Show the tenants."""
        stored = _session(request)
        context = {"tenants": api.services.session_reader.tenants(stored), "shown": stored.shown.name}
        return pages.page(request, "tenants.html", context)

    @post("/switch")
    async def switch(self, request: AnyRequest, api: NamedDependency[Api]) -> Response[Any]:
        """Show another tenant from now on."""
        stored = _session(request)
        form = await read_form(request)
        name = existing_tenant(form.get("tenant", ""))
        await asyncio.to_thread(api.services.switch_tenant, stored, name, caller_address.get() or None)
        return go_to(request, "/dashboard")


def _session(request: AnyRequest) -> StoredSession:
    stored = stored_session(request)
    if stored is None:
        raise Conflict(text("problems.switch_needs_session"))
    return stored
