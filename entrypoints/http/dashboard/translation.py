"""The texts of pages, in the visitor's language."""

from datetime import datetime
from functools import cache

from litestar.datastructures import Cookie
from markupsafe import Markup, escape

from domain.catalogue.language import Language, language_of, preferred_language
from domain.catalogue.text import Text, sentences
from entrypoints.http.csrf import cookies_of
from entrypoints.http.dashboard import formatting
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.session_cookie import cookie_of

_COOKIE = "service_server_language"
_KEPT_S = 365 * 24 * 3_600


def language_of_visitor(request: AnyRequest) -> Language:
    """Return the language that the visitor chose on a page, otherwise the browser's preferred one."""
    chosen = language_of(cookie_of(request.scope, cookies_of(request).name(_COOKIE)))
    return chosen or preferred_language(request.headers.get("accept-language", ""))


def language_cookie(request: AnyRequest, language: Language) -> Cookie:
    """Return the cookie that stores the chosen language."""
    cookies = cookies_of(request)
    return Cookie(
        key=cookies.name(_COOKIE),
        value=language.value,
        max_age=_KEPT_S,
        path="/" if cookies.secure else "/dashboard",
        httponly=True,
        samesite="lax",
        secure=cookies.secure,
    )


class Translator:
    """Renders texts as HTML in one language: values are escaped, and times become `time` elements."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, code: str | Text, /, **values: object) -> Markup:
        """Return a text, or the text with a code."""
        return self.translate(code if isinstance(code, Text) else Text(code, values))

    def translate(self, text: Text) -> Markup:
        """Return a text as HTML."""
        template = escape(text.template(self._language))
        return template.format(**{name: self._value(value) for name, value in text.values.items()})

    def shown(self, value: Text | str) -> str:
        """Return a text, or text of a caller or another program without control characters."""
        return self.translate(value) if isinstance(value, Text) else formatting.inert(value)

    def finalize(self, value: object) -> object:
        """Return the value of an expression in a template as it is rendered."""
        return self.translate(value) if isinstance(value, Text) else value

    def _value(self, value: object) -> object:
        match value:
            case Text():
                return self.translate(value)
            case datetime():
                return time_element(value)
            case Markup():
                return value
            case str():
                return formatting.inert(value)
            case _:
                return value


def time_element(time: datetime) -> Markup:
    """Render a time; a script converts it to the reader's time zone."""
    shown = formatting.calendar_time(time)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        formatting.machine_time(time), shown, shown
    )


@cache
def script_texts(language: Language) -> Markup:
    """Return the texts of the pages' scripts as JSON that is safe inside an element."""
    return formatting.script_json(sentences(language, "scripts"))
