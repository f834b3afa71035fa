"""Objects that are stored before the transaction that refers to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from application.errors import ApplicationError, CommitOutcomeUnknown
from domain.errors import DomainError


@contextmanager
def discarded_on_failure(discard: Callable[[], None]) -> Iterator[None]:
    """Discard objects if the command fails, unless its commit may have taken effect and refers to them."""
    try:
        yield
    except CommitOutcomeUnknown:
        raise
    except (DomainError, ApplicationError):
        discard()
        raise
