"""Ids of jobs by their unique beginnings."""

from datetime import UTC, datetime, timedelta

from domain.catalogue.text import text
from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import ExitCode, Failure

_FEWEST, _WHOLE = 8, 36
_DASHES = (8, 13, 18, 23)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_DIGITS = 12
# The clocks of processes differ by less.
_SLACK = timedelta(minutes=1)
# So many jobs of the time that a beginning names are looked at.
_MAX_READ = 10_000
_SHOWN = 5


def job_id_of(client: ServiceClient, given: str) -> str:
    """Return the id of the only job whose id begins with eight characters or more.

    An id of version 7 begins with its time (RFC 9562, 5.7), so that the jobs of this time alone are read. A
    text that no id begins with is returned as it is, for the service to refuse.

    Raises:
        Failure: Several ids begin with it.
    """
    beginning = given.lower()
    if not _is_beginning(beginning):
        return given
    digits = beginning.replace("-", "")[:_TIME_DIGITS]
    first, last = (_time(digits.ljust(_TIME_DIGITS, digit)) for digit in "0f")
    if first is None or last is None:
        return given
    read = client.listed(
        "/api/jobs",
        _MAX_READ,
        created_after=(first - _SLACK).isoformat(),
        created_before=(last + _SLACK).isoformat(),
    )
    found = [job["job_id"] for job in read if job["job_id"].startswith(beginning)]
    if len(found) > 1 or (found and len(read) == _MAX_READ):
        shown = ", ".join(found[:_SHOWN])
        raise Failure(text("cli.ambiguous_id", beginning=given, count=len(found), ids=shown), ExitCode.USAGE)
    return found[0] if found else given


def _is_beginning(given: str) -> bool:
    """Whether a text is a part, from the start, of the canonical form of an id."""
    return _FEWEST <= len(given) < _WHOLE and all(
        character == "-" if place in _DASHES else character in "0123456789abcdef"
        for place, character in enumerate(given)
    )


def _time(digits: str) -> datetime | None:
    """Return the time that an id of version 7 begins with; None for one that cannot be."""
    try:
        time = _EPOCH + timedelta(milliseconds=int(digits, 16))
        return time if _EPOCH + _SLACK < time < datetime.max.replace(tzinfo=UTC) - _SLACK else None
    except OverflowError:
        return None
