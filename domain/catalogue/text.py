"""Texts by code.

The sentences are in `<language>/<area>.toml`, with the code `<area>.<name>`. A sentence is a format string
(`{count:,}`), or a table of format strings by plural category, from which the value `count` selects one.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from domain.catalogue.language import Language

Sentence = str | Mapping[str, str]

_FILES = Path(__file__).parent
# More than the number of codes of a language.
_KEPT_CODES = 4_096
_CODE = re.compile(r"[a-z_]+\.[a-z0-9_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people: its code, and the values of its placeholders, some of which may be texts.

    As a `str` it is in English, the language of the API and of logs.
    """

    code: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.into(Language.ENGLISH)

    def into(self, language: Language) -> str:
        """Return the text in a language."""
        return self.template(language).format_map(self.translated_values(language))

    def template(self, language: Language) -> str:
        """Return the format string of the text in a language."""
        found = _sentence(language, self.code)
        if isinstance(found, str):
            return found
        count = self.values["count"]
        return found[language.plural(count if isinstance(count, int | float) else 0)]

    def translated_values(self, language: Language) -> Mapping[str, object]:
        """Return the values, translating the texts among them."""
        return {
            name: value.into(language) if isinstance(value, Text) else value
            for name, value in self.values.items()
        }

    @property
    def parts(self) -> Mapping[str, object]:
        """The code and the values, as JSON."""
        return {"code": self.code, "values": self.plain_values}

    @property
    def plain_values(self) -> dict[str, object]:
        """The values in JSON form: numbers, strings, and the parts of texts."""
        return {name: _plain(value) for name, value in self.values.items()}


def text(code: str, /, **values: object) -> Text:
    """Return the text with a code and the values of its placeholders."""
    return Text(code, values)


def said_by(error: BaseException) -> Text | str:
    """Return the text of an error, or its message if it has no text."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Text) else str(error)


def _plain(value: object) -> object:
    if isinstance(value, Text):
        return value.parts
    return value if isinstance(value, str | int | float) else str(value)


def text_of(parts: object) -> Text | None:
    """Return the text with the given parts; None if the catalogue of this version has no sentence for it."""
    match parts:
        case {"code": str(code), "values": dict(values)} if _CODE.fullmatch(code):
            found = Text(code, {name: text_of(value) or value for name, value in values.items()})
        case _:
            return None
    try:
        str(found)
    except (LookupError, OSError, TypeError, ValueError):
        return None
    return found


@lru_cache(_KEPT_CODES)
def _sentence(language: Language, code: str) -> Sentence:
    area, _dot, name = code.partition(".")
    return sentences(language, area)[name]


@cache
def sentences(language: Language, area: str) -> Mapping[str, Sentence]:
    """Return the sentences of an area by name. The file is read on first use."""
    return tomllib.loads((_FILES / language / f"{area}.toml").read_text(encoding="utf-8"))
