import itertools
from uuid import UUID

from application.ports.id_generator import IdGenerator

_FIRST = UUID("00000000-0000-7000-8000-000000000000").int


class MemoryIdGenerator(IdGenerator):
    """Sequential identifiers in the form of UUIDs of version 7, which are the same in every run."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def skip(self, count: int) -> None:
        """Skip ids, which then belong to another process."""
        self._numbers = itertools.count(next(self._numbers) + count)

    def new(self) -> UUID:
        """Return the next identifier."""
        return UUID(int=_FIRST + next(self._numbers))
