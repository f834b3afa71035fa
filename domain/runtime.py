"""Names of runtimes (versions and environments of languages) and of presets of compiler flags."""

import hashlib
import re

from domain.catalogue.text import text
from domain.errors import InvalidValue

RUNTIME_NAME = re.compile(r"[a-z0-9][a-z0-9.+@_-]{0,63}")
PRESET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MAX_PRESETS = 8
# The size of the database column for the queue.
_QUEUE_CHARS = 32


def parse_runtime_name(given: str) -> str:
    """Validate the name of a runtime, such as `python@3.13` or `python+numpy`.

    Raises:
        InvalidValue: It has invalid characters or is too long.
    """
    if not RUNTIME_NAME.fullmatch(given):
        raise InvalidValue("runtime", text("problems.runtime_name"))
    return given


def queue_of(runtime: str) -> str:
    """Return the name of the queue of a runtime's executions: its own name, or a digest if that is long.

    A language's default runtime has the language's name.
    """
    if len(runtime) <= _QUEUE_CHARS:
        return runtime
    return hashlib.sha256(runtime.encode()).hexdigest()[:_QUEUE_CHARS]


def check_presets(names: tuple[str, ...]) -> None:
    """Validate the names of presets.

    Raises:
        InvalidValue: There are too many, or a name is invalid.
    """
    if len(names) > MAX_PRESETS or not all(map(PRESET_NAME.fullmatch, names)):
        raise InvalidValue("presets", text("problems.presets", maximum=MAX_PRESETS))
