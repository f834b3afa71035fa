"""Loading of the settings, and reports on them by environment variable, without secrets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from domain.catalogue.text import Text, said_by, text
from domain.errors import DomainError
from domain.limits import LimitPolicy
from entrypoints.cli.errors import ExitCode, Failure, fault_of, in_language
from entrypoints.settings import ENV_FILE, LimitSettings, Settings, variable
from entrypoints.settings_check import unknown_settings

_MASK = "********"
# The types of pydantic's errors that values from the environment can cause.
RULES = frozenset(
    {
        *("bool_parsing", "int_parsing", "int_parsing_size", "float_parsing", "finite_number"),
        *("greater_than", "greater_than_equal", "less_than_equal", "literal_error", "enum"),
        *("string_too_long", "string_pattern_mismatch", "url_parsing", "url_scheme", "url_too_long"),
    }
)


def load_settings(host: str | None = None, port: int | None = None) -> Settings:
    """Read the settings. The arguments take precedence over the environment.

    Raises:
        Failure: A setting is invalid or, outside of development, unknown; or `.env` cannot be read.
    """
    given: dict[str, Any] = {"SERVER_HOST": host, "SERVER_PORT": port}
    with _refusals(Settings):
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    unknown = [] if settings.is_development else list(unknown_settings(os.environ))
    if unknown:
        raise Failure(" ".join(map(in_language, unknown)), ExitCode.USAGE)
    return settings


def load_limits() -> LimitPolicy:
    """Read the settings of the limits of executions.

    Raises:
        Failure: A setting is invalid.
    """
    with _refusals(LimitSettings):
        return LimitSettings().policy()


def in_force(settings: BaseSettings) -> Iterator[tuple[str, str, bool]]:
    """Yield the variable of each setting, its value with secrets masked, and whether it was set."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        yield variable(type(settings), name), _masked(name, value), name in settings.model_fields_set


def variables(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield the names of the environment variables from which settings are read."""
    for name in settings.model_fields:
        yield variable(settings, name)


def _named(settings: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    # The location of a problem is the alias of a field or, without an alias, its name.
    name = str(location[0]) if location else ""
    return variable(settings, name) if name in settings.model_fields else name


def _sentence(settings: type[BaseSettings], problem: ErrorDetails) -> str:
    name, detail = _named(settings, problem["loc"]), _broken_rule(problem)
    return in_language(text("cli.about", subject=name, detail=detail) if name else detail)


def _broken_rule(problem: ErrorDetails) -> Text | str:
    """Return the rule that a value breaks, from the catalogue or else in the library's words."""
    bounds = problem.get("ctx", {})
    if problem["type"] in RULES:
        shown = {name: str(bound).replace(" or ", ", ") for name, bound in bounds.items()}
        return text(f"settings.rule_{problem['type']}", **shown)
    error = bounds.get("error")
    return said_by(error) if isinstance(error, ValueError) else problem["msg"]


def _masked(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return _MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(_masked(name, part) for part in value)
    text = "" if value is None else str(value)
    return _masked_url(text) if "://" in text or (text and name.endswith("_url")) else text


def _masked_url(text: str) -> str:
    """Mask the parts of an address that may be secret. Of an ambiguous address, show only the scheme."""
    scheme, _, rest = text.partition("://")
    known = f"{scheme}://" if rest and scheme.isalnum() else ""
    try:
        url = urlsplit(text)
        _ = url.port  # raises if a slash in a password makes the rest look like a port
    except ValueError:
        return known + _MASK
    if not (known and url.netloc) or "@" in url.path + url.query + url.fragment:
        return known + _MASK
    user, at, host = url.netloc.rpartition("@")
    shown = url._replace(
        netloc=_MASK + at + host if user else host, query=url.query and _MASK, fragment=url.fragment and _MASK
    )
    return shown.geturl()


@contextmanager
def _refusals(settings: type[BaseSettings]) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        sentences = [_sentence(settings, problem) for problem in problems]
        raise Failure("; ".join(sentences), ExitCode.USAGE) from error
    except DomainError as error:
        raise Failure(said_by(error), ExitCode.USAGE) from error
    except OSError as error:
        raise Failure(
            text("cli.cannot_read", file=ENV_FILE, detail=fault_of(error)), ExitCode.USAGE
        ) from error
    except UnicodeDecodeError as error:
        raise Failure(text("cli.not_utf8", file=ENV_FILE, place=error.start), ExitCode.USAGE) from error
