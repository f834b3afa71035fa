"""Ids of jobs by their unique beginnings."""

from domain.catalogue.text import text
from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import ExitCode, Failure

_FEWEST, _WHOLE = 8, 36
_DASHES = (8, 13, 18, 23)
_SHOWN = 5


def job_id_of(client: ServiceClient, given: str) -> str:
    """Return the id of the only job whose id begins with eight characters or more.

    A text that no id begins with is returned as it is, for the service to refuse.

    Raises:
        Failure: Several ids begin with it.
    """
    if not _is_beginning(given.lower()):
        return given
    found = [job["job_id"] for job in client.listed("/api/jobs", _SHOWN, id=given)]
    if len(found) > 1:
        raise Failure(text("cli.ambiguous_id", beginning=given, ids=", ".join(found)), ExitCode.USAGE)
    return found[0] if found else given


def _is_beginning(given: str) -> bool:
    """Whether a text is a part, from the start, of the canonical form of an id."""
    return _FEWEST <= len(given) < _WHOLE and all(
        character == "-" if place in _DASHES else character in "0123456789abcdef"
        for place, character in enumerate(given)
    )
