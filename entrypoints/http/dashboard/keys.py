"""The page of the tenant's API keys."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.commands import CreateKeyCommand
from application.views import IssuedKey
from domain.caller import Caller, Scope
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import Pages, go_to, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_key

_PAGE = "/dashboard/keys"
_SCOPE_FIELD = "scope:"
LIFETIMES: Mapping[str, timedelta | None] = MappingProxyType(
    {
        "in_30_days": timedelta(days=30),
        "in_90_days": timedelta(days=90),
        "in_1_year": timedelta(days=365),
        "never": None,
    }
)


class KeysPages(Controller):
    """The keys, and forms to create, rotate and revoke them."""

    path = "/keys"
    opt = {"scope": Scope.KEYS_WRITE}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the keys."""
        return _page(request, pages, caller, api, None)

    @get("/list", sync_to_thread=True)
    def refresh(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the list."""
        return pages.part(request, "_keys.html", _list(caller, api))

    @post()
    async def create(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Create a key, and show its text once."""
        command = _command(await read_form(request), api.clock.now())
        return await _issue(request, pages, caller, api, lambda: api.services.create_key(caller, command))

    @post("/{key_id:str}/rotate")
    async def rotate(
        self,
        request: AnyRequest,
        key_id: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Create a successor of a key, and show its text once."""
        await read_form(request)
        known = existing_key(key_id)
        return await _issue(request, pages, caller, api, lambda: api.services.rotate_key(caller, known))

    @post("/{key_id:str}/revoke")
    async def revoke(
        self,
        request: AnyRequest,
        key_id: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Revoke a key."""
        await read_form(request)
        await asyncio.to_thread(api.services.revoke_key, caller, existing_key(key_id))
        return go_to(request, _PAGE)


async def _issue(
    request: AnyRequest, pages: Pages, caller: Caller, api: Api, issue: Callable[[], IssuedKey]
) -> Response[bytes]:
    """Issue a key and show its text; only this response contains the text."""

    def work() -> Response[bytes]:
        issued = issue()
        if is_partial(request):
            return pages.page(request, "_issued_key.html", {"issued": issued})
        return _page(request, pages, caller, api, issued)

    return await asyncio.to_thread(work)


def _page(
    request: AnyRequest, pages: Pages, caller: Caller, api: Api, issued: IssuedKey | None
) -> Response[bytes]:
    context = {"issued": issued, "lifetimes": tuple(LIFETIMES), "version": "", **_list(caller, api)}
    return pages.page(request, "keys.html", context)


def _list(caller: Caller, api: Api) -> dict[str, object]:
    newest_first = list(reversed(api.services.key_reader.all(caller)))
    return {"keys": newest_first, "own_scopes": [scope.value for scope in Scope if caller.has(scope)]}


def _command(form: Mapping[str, str], now: datetime) -> CreateKeyCommand:
    """Read the form. Each scope has its own field, because a field has one value."""
    lifetime = LIFETIMES.get(form.get("lifetime", ""))
    chosen = {name.removeprefix(_SCOPE_FIELD) for name in form if name.startswith(_SCOPE_FIELD)}
    return CreateKeyCommand(
        name=form.get("name", "").strip(),
        scopes=frozenset(Scope(name) for name in chosen & set(Scope)),
        project=form.get("project", "").strip() or None,
        expires_at=None if lifetime is None else now + lifetime,
    )
