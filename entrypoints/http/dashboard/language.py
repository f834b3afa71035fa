"""The language of the pages, as chosen by the visitor."""

from litestar import Controller, Response, post
from litestar.response import Redirect

from domain.catalogue.language import Language, language_of
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.pages import go_to
from entrypoints.http.dashboard.translation import language_cookie
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.session_cookie import safe_next


class LanguageForm(Controller):
    """The language menu at the end of each page. It needs no scope."""

    path = "/language"
    opt = {"scope": None}  # noqa: RUF012 - as in the framework

    @post()
    async def choose(self, request: AnyRequest) -> Response[bytes] | Redirect:
        """Store the language in a cookie, and return to the page."""
        form = await read_form(request)
        language = language_of(form.get("language", "")) or Language.ENGLISH
        answer = go_to(request, safe_next(form.get("next", "")))
        answer.set_cookie(language_cookie(request, language))
        return answer
