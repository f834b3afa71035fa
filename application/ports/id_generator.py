"""The port to new identifiers."""

from abc import ABC, abstractmethod
from uuid import UUID


class IdGenerator(ABC):
    """Generates new identifiers."""

    @abstractmethod
    def new(self) -> UUID:
        """Return a new UUID that sorts after all earlier ones (RFC 9562, 5.7)."""
