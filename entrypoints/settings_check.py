"""Checks for probable mistakes in the settings: unknown names and combinations that do not fit."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches

from dotenv import dotenv_values

from domain.catalogue.text import Text, text
from entrypoints.settings import ENV_FILE, PREFIX, LimitSettings, Settings, variable
from entrypoints.tracing_variables import PROTOCOL, is_tracing_wanted, other_protocol

# All names with these prefixes are ours or belong to the existing deployment.
_FAMILIES = (PREFIX, "EXECUTION_ENGINE_", "AWS_RDS_", "AWS_ECS_")
# Other names are only suspected if they differ from one of ours by about a typing error.
_SIMILAR, _ALMOST_THE_SAME = 0.6, 0.88
# Read by the command line and by tests.
_OTHERS_OF_OURS = frozenset(
    {f"{PREFIX}API_KEY", f"{PREFIX}SERVER_URL", f"{PREFIX}SOAK", f"{PREFIX}TEST_MYSQL"}
)
# Names that resemble ours but belong to the AWS tools.
_OF_AWS = frozenset({"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN"})
_AWS_ENDPOINTS = "AWS_ENDPOINT_URL_"
# Kubernetes sets these for each Service whose name begins with service-server (kubernetes.io, "Accessing the
# Service"), such as that of a Helm release called service-server.
_KUBERNETES = re.compile(
    rf"{PREFIX}(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)"
)
_KUBERNETES_PORT = re.compile(rf"{PREFIX}(?:\w+_)?PORT")
OPEN_TO_ALL = text("common.open_to_all")
_COMBINATIONS: tuple[tuple[Callable[[Settings], bool], Text], ...] = (
    (
        lambda settings: settings.code_bucket is not None and settings.log_bucket is None,
        text("settings.logs_in_directory"),
    ),
    (
        lambda settings: settings.log_bucket is not None and settings.code_bucket is None,
        text("settings.code_in_directory"),
    ),
    (
        lambda settings: settings.uses_runners and settings.code_bucket is None,
        text("settings.runners_need_bucket"),
    ),
    (
        lambda settings: settings.is_open_to_all,
        OPEN_TO_ALL,
    ),
)


def unknown_settings(environment: Mapping[str, str]) -> Iterator[Text]:
    """Yield a sentence for each unknown setting in the environment and the `.env` file.

    The sentence names the setting with the most similar name, if there is one.
    """
    known = {variable(kind, name) for kind in (Settings, LimitSettings) for name in kind.model_fields}
    given = {name.upper(): value for name, value in {**dotenv_values(ENV_FILE), **environment}.items()}
    for name in sorted(given.keys() - known - _OTHERS_OF_OURS - _OF_AWS):
        if name.startswith(_AWS_ENDPOINTS) or _is_of_kubernetes(name, given[name]):
            continue
        is_ours = name.startswith(_FAMILIES)
        cutoff = _SIMILAR if is_ours else _ALMOST_THE_SAME
        nearest = _without_prefix(name, known) or next(
            iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None
        )
        if is_ours or nearest:
            yield _unknown(name, nearest)


def _unknown(name: str, nearest: str | None) -> Text:
    if nearest is None:
        return text("settings.unknown", name=name)
    return text("settings.unknown_similar", name=name, nearest=nearest)


def warnings(settings: Settings, environment: Mapping[str, str]) -> Iterator[Text]:
    """Yield a sentence for each probable mistake in the settings."""
    yield from unknown_settings(environment)
    for is_wrong, sentence in _COMBINATIONS:
        if is_wrong(settings):
            yield sentence
    if is_tracing_wanted(environment) and (other := other_protocol(environment)) is not None:
        name, value = other
        yield text("settings.traces_protocol", name=name, value=value, protocol=PROTOCOL)


def _without_prefix(name: str, known: Collection[str]) -> str | None:
    """Return the setting that a name means if it has the prefix by mistake; None if there is none."""
    rest = name.removeprefix(PREFIX)
    return next((kept for kept in (rest, f"SERVER_{rest}") if rest != name and kept in known), None)


def _is_of_kubernetes(name: str, value: str | None) -> bool:
    if _KUBERNETES_PORT.fullmatch(name):
        return "://" in (value or "")
    return _KUBERNETES.fullmatch(name) is not None
