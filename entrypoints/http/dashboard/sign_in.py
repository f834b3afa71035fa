"""The sign-in page, for an API key or an identity provider."""

import asyncio
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from application.errors import DependencyUnavailable, SignInRefused
from application.ports.identity_provider import ProviderAnswer
from application.session_opener import SignedIn
from domain.catalogue.text import text
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import Pages, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.errors import problem_response, problem_texts
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.origin_guard import header
from entrypoints.http.request_context import caller_address, caller_network
from entrypoints.http.session_cookie import safe_next
from entrypoints.settings import AuthMode

SIGN_IN = "/dashboard/sign-in"
_SEE_OTHER: Literal[303] = 303
_UNAUTHENTICATED = 401
_BY_VISITOR = frozenset({None, "same-origin", "none"})


class SignInPages(Controller):
    """Sign-in. The pages need no caller."""

    path = "/sign-in"
    opt = {"scope": None}  # noqa: RUF012 - as in the framework

    @get()
    async def show(
        self, request: AnyRequest, pages: NamedDependency[Pages], api: NamedDependency[Api]
    ) -> Response[Any]:
        """Show the ways to sign in; redirect a visitor who has signed in to the requested page."""
        next_path = safe_next(request.query_params.get("next", ""))
        if not api.settings.asks_for_keys or await api.visitors.session_of(request.scope) is not None:
            return Redirect(next_path, status_code=_SEE_OTHER)
        return _page(request, pages, api, next_path)

    @post()
    async def with_key(
        self, request: AnyRequest, pages: NamedDependency[Pages], api: NamedDependency[Api]
    ) -> Response[Any]:
        """Sign in with an API key."""
        form = await read_form(request)
        next_path = safe_next(form.get("next", ""))
        if not api.settings.asks_for_keys:
            return Redirect(next_path, status_code=_SEE_OTHER)
        api.failed_attempts.check(caller_network())
        before = api.session_cookies.token(request.scope)
        address = caller_address.get() or None
        try:
            signed_in = await asyncio.to_thread(
                api.services.sign_in_with_key, form.get("key", ""), address, before
            )
        except SignInRefused as error:
            api.failed_attempts.count(caller_network())
            return _page(request, pages, api, next_path, error)
        return _go_on(api, signed_in, next_path)

    @get("/provider")
    async def at_provider(
        self, request: AnyRequest, pages: NamedDependency[Pages], api: NamedDependency[Api]
    ) -> Response[Any]:
        """Redirect the visitor to the identity provider."""
        next_path = safe_next(request.query_params.get("next", ""))
        if header(request.scope, b"sec-fetch-site") not in _BY_VISITOR:  # another site sent the visitor
            return _page(request, pages, api, next_path)
        begun, cookie = api.session_cookies.begin(next_path, int(api.clock.now().timestamp()))
        try:
            url = await asyncio.to_thread(api.services.sign_in_with_identity.begin, begun.attempt)
        except (SignInRefused, DependencyUnavailable) as error:
            return _page(request, pages, api, next_path, error)
        answer = Redirect(url, status_code=_SEE_OTHER)
        answer.set_cookie(cookie)
        return answer

    @get("/return")
    async def from_provider(
        self, request: AnyRequest, pages: NamedDependency[Pages], api: NamedDependency[Api]
    ) -> Response[Any]:
        """Sign in with the identity provider's response."""
        begun = api.session_cookies.begun(request.scope, int(api.clock.now().timestamp()))
        if begun is None:
            lost = SignInRefused(text("problems.sign_in_not_begun"))
            return _page(request, pages, api, safe_next(""), lost)
        next_path = safe_next(begun.next)
        given = request.query_params
        answer = ProviderAnswer(
            state=given.get("state", ""),
            code=given.get("code", ""),
            issuer=given.get("iss", ""),
            error=given.get("error", ""),
        )
        before = api.session_cookies.token(request.scope)
        address = caller_address.get() or None
        try:
            signed_in = await asyncio.to_thread(
                api.services.sign_in_with_identity, begun.attempt, answer, address, before
            )
        except (SignInRefused, DependencyUnavailable) as error:
            response = _page(request, pages, api, next_path, error)
        else:
            response = _go_on(api, signed_in, next_path)
        # A sign-in that was begun later, in another tab, can still be completed.
        if begun.attempt.is_answered_by(answer):
            response.set_cookie(api.session_cookies.left())
        return response


def to_sign_in(request: AnyRequest) -> Response[Any]:
    """Answer a request without a session: redirect to the sign-in page, which leads back afterwards."""
    if is_partial(request):
        # The visitor returns to the page around the part.
        shown = urlsplit(request.headers.get("hx-current-url", ""))
        url = _sign_in_url(f"{shown.path}?{shown.query}" if shown.query else shown.path)
        return Response(b"", status_code=_UNAUTHENTICATED, headers={"HX-Redirect": url, **_CHALLENGE})
    if "text/html" not in request.headers.get("accept", ""):
        return Response(b"", status_code=_UNAUTHENTICATED, headers=_CHALLENGE, media_type="text/plain")
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Redirect(_sign_in_url(asked if request.method == "GET" else ""), status_code=_SEE_OTHER)


_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def _sign_in_url(asked: str) -> str:
    next_path = safe_next(asked)
    return SIGN_IN if next_path == safe_next("") else f"{SIGN_IN}?next={quote(next_path, safe='/')}"


def _page(
    request: AnyRequest, pages: Pages, api: Api, next_path: str, error: Exception | None = None
) -> Response[bytes]:
    problem = None if error is None else problem_response(request, error).content
    return pages.page(
        request,
        "sign_in.html",
        {
            "next": next_path,
            "has_provider": api.settings.auth is AuthMode.KEYS_AND_OIDC,
            "problem": None if error is None else problem_texts(request, error)[1],
        },
        status_code=200 if problem is None else problem.status,
    )


def _go_on(api: Api, signed_in: SignedIn, next_path: str) -> Response[Any]:
    response = Redirect(next_path, status_code=_SEE_OTHER)
    response.set_cookie(api.session_cookies.opened(signed_in.token))
    return response
