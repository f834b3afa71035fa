"""The languages of the texts, and the choice of one."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

# The maximum number of preferences that are read from a header; RFC 9110 sets no limit.
_MAX_PREFERENCES = 32
# In the order of GNU gettext ("Specifying a Priority List of Languages").
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Language(StrEnum):
    """A language, by its tag (BCP 47)."""

    ENGLISH = "en"
    KOREAN = "ko"
    JAPANESE = "ja"

    @property
    def own_name(self) -> str:
        """The language's name in the language itself."""
        return _OWN_NAMES[self]

    def plural(self, count: float) -> str:
        """Return the plural category of a count (CLDR, "Language Plural Rules")."""
        return "one" if self is Language.ENGLISH and count == 1 else "other"


_OWN_NAMES: Mapping[Language, str] = {
    Language.ENGLISH: "English",
    Language.KOREAN: "한국어",
    Language.JAPANESE: "日本語",
}


def language_of(tag: str) -> Language | None:
    """Return the language of a tag such as ko-KR or ja_JP.UTF-8; None if there are no texts in it."""
    primary = tag.replace("_", "-").partition("-")[0].partition(".")[0].strip().lower()
    return Language(primary) if primary in set(Language) else None


def preferred_language(accept_language: str) -> Language:
    """Return the language that a browser prefers (RFC 9110, 12.5.4); English if it names no supported one."""
    weighed = [
        (weight, -place, language)
        for place, (tag, weight) in enumerate(_preferences(accept_language))
        if weight > 0 and (language := language_of(tag)) is not None
    ]
    return max(weighed)[2] if weighed else Language.ENGLISH


def _preferences(header: str) -> Iterator[tuple[str, float]]:
    for preference in header.split(",", _MAX_PREFERENCES)[:_MAX_PREFERENCES]:
        tag, _, parameter = preference.partition(";")
        name, _, weight = parameter.partition("=")
        yield tag.strip(), _weight(weight) if name.strip().lower() == "q" else 1.0


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def language_of_environment(environment: Mapping[str, str]) -> Language:
    """Return the language of a terminal's environment; English if it names no supported one."""
    locale = next((value for name in _VARIABLES if (value := environment.get(name))), "")
    # As in gettext, LANGUAGE is a list of preferences that counts unless the locale is "C".
    choices = environment.get("LANGUAGE", "").split(":") if locale not in {"", "C", "POSIX"} else []
    return next(filter(None, map(language_of, (*choices, locale))), Language.ENGLISH)
