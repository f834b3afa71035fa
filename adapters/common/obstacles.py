"""Explanations of operations that the host refuses: the cause, and the setting that helps.

The table is obstacles.toml. It names the sentences, which are in the catalogue.
"""

import errno
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from adapters.common.host import CONTAINERS, Host
from domain.catalogue.text import Text, text

_TABLE = Path(__file__).with_name("obstacles.toml")
# The error of a step whose process was killed.
KILLED = "KILLED"
_CONTAINER, _ANY = "container", "any"
_SHOWN_PATHS = 3
# Python's messages when the kernel refuses a thread, and when no temporary directory exists; these errors
# have no errno.
_NO_THREAD, _NO_TEMPORARY = "can't start new thread", "No usable temporary directory"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that failed.

    Attributes:
        step: The name of the step in the table.
        error: The name of the errno, or KILLED.
        subject: The refused file or object, if there is more to name than the step.
    """

    step: str
    error: str
    subject: str = ""

    @property
    def message(self) -> Text | str:
        """The error as text."""
        if self.error == KILLED:
            return text("obstacles.killed")
        return os.strerror(getattr(errno, self.error, 0)).lower()


def refusal_of(error: BaseException) -> Refusal | None:
    """Return the host's refusal that caused an error; None for any other error."""
    if _NO_TEMPORARY in str(error):
        return Refusal("temporary", "ENOENT")
    if _NO_THREAD in str(error) or isinstance(error, BlockingIOError | ChildProcessError):
        return Refusal("process", "EAGAIN")
    if isinstance(error, OSError) and error.errno in {errno.EROFS, errno.ENOSPC, errno.EDQUOT}:
        return Refusal("file", error_name(error.errno), str(error.filename or ""))
    return None


def error_name(number: int | None) -> str:
    """Return the name of an errno."""
    return errno.errorcode.get(number or 0, str(number))


def explain(refusal: Refusal, host: Host | None = None) -> Text:
    """Return the cause and the remedy of a refusal on a host, as clauses without a full stop."""
    host = host or Host()
    table = _table()
    for obstacle in table["obstacles"]:
        words = _words(obstacle, refusal, host)
        remedy = _remedy(table["remedies"][obstacle["remedy"]], host)
        if words is not None and remedy is not None:
            return text(
                "groups.explained",
                cause=text(f"obstacles.cause_{obstacle['cause']}", **words),
                remedy=text(f"obstacles.remedy_{remedy}", **words),
            )
    raise AssertionError("the last obstacle of the table must apply to all")


def _words(obstacle: Mapping[str, Any], refusal: Refusal, host: Host) -> dict[str, Text | str] | None:
    """Return the values for the placeholders of an obstacle's texts; None if the obstacle does not apply."""
    if refusal.step not in obstacle.get("steps", [refusal.step]):
        return None
    if refusal.error not in obstacle.get("errors", [refusal.error]):
        return None
    if not all(getattr(host, fact) for fact in obstacle.get("when", ())):
        return None
    value = host.text(obstacle.get("file", "").format(step=refusal.step)) if "file" in obstacle else ""
    if "file" in obstacle and value != obstacle.get("value", value or None):
        return None
    return {
        "step": refusal.step,
        "subject": refusal.subject or text(f"obstacles.step_{refusal.step.replace(' ', '_')}"),
        "error": refusal.message,
        "value": value,
        "unit": host.unit or text("obstacles.its_unit"),
        "profile": host.apparmor_profile or "",
        "covered": _listed(host.covered_processes),
    }


def _remedy(remedies: Mapping[str, str], host: Host) -> str | None:
    kinds = [host.place.value, *([_CONTAINER] if host.place in CONTAINERS else []), _ANY]
    return next((remedies[kind] for kind in kinds if kind in remedies), None)


def _listed(paths: Sequence[str]) -> Text | str:
    shown = ", ".join(paths[:_SHOWN_PATHS])
    return text("obstacles.and_others", paths=shown) if len(paths) > _SHOWN_PATHS else shown


@cache
def _table() -> Mapping[str, Any]:
    with _TABLE.open("rb") as file:
        return tomllib.load(file)
