"""Loading of the settings, and reports of them by their environment variables, without secrets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from domain.errors import DomainError
from domain.limits import LimitPolicy
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.settings import LimitSettings, Settings, variable
from entrypoints.settings_check import unknown_settings

_MASK = "********"


def load_settings(host: str | None = None, port: int | None = None) -> Settings:
    """Read the settings; the arguments take precedence over the environment.

    Raises:
        Failure: One of them breaks its rule, or, unless this is a development environment, is unknown.
    """
    given: dict[str, Any] = {"SERVER_HOST": host, "SERVER_PORT": port}
    with _refusals(Settings):
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    unknown = [] if settings.is_development else list(unknown_settings(os.environ))
    if unknown:
        raise Failure(" ".join(map(str, unknown)), ExitCode.USAGE)
    return settings


def load_limits() -> LimitPolicy:
    """Read the settings of the limits of executions.

    Raises:
        Failure: One of them breaks its rule.
    """
    with _refusals(LimitSettings):
        return LimitSettings().policy()


def in_force(settings: BaseSettings) -> Iterator[tuple[str, str, bool]]:
    """List settings: the variable's name, its value with secrets masked, and whether it was set."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        yield variable(type(settings), name), _masked(name, value), name in settings.model_fields_set


def variables(settings: type[BaseSettings]) -> Iterator[str]:
    """List the names of the environment variables that settings are read from."""
    for name in settings.model_fields:
        yield variable(settings, name)


def _named(settings: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    # A problem is found at a field's name where it has no alias, and else at its alias.
    name = str(location[0]) if location else ""
    return variable(settings, name) if name in settings.model_fields else name


def _sentence(settings: type[BaseSettings], location: tuple[int | str, ...], message: str) -> str:
    name, detail = _named(settings, location), message.removeprefix("Value error, ")
    return f"{name}: {detail}" if name else detail


def _masked(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return _MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(_masked(name, part) for part in value)
    text = "" if value is None else str(value)
    return _masked_url(text) if "://" in text or (text and name.endswith("_url")) else text


def _masked_url(text: str) -> str:
    """Mask the parts of an address that may be secret; of an ambiguous one, show the scheme alone."""
    scheme, _, rest = text.partition("://")
    known = f"{scheme}://" if rest and scheme.isalnum() else ""
    try:
        url = urlsplit(text)
        _ = url.port  # a password with a slash makes this one of host and port
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
        sentences = [_sentence(settings, problem["loc"], problem["msg"]) for problem in problems]
        raise Failure("; ".join(sentences), ExitCode.USAGE) from error
    except DomainError as error:
        raise Failure(str(error), ExitCode.USAGE) from error
