"""The port to limits on requests a second."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

# More than one service answers: a higher rate is no bound, and this one fits the arithmetic of every adapter.
MAX_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: it holds the requests of one second, and fills up in one.

    Attributes:
        subject: The name of the bucket: whose requests it counts.
        per_s: Requests a second, from 1 to MAX_PER_S.
    """

    subject: str
    per_s: int


@dataclass(frozen=True, slots=True)
class RateDecision:
    """The answer to a request for tokens.

    Attributes:
        is_allowed: Whether every bucket had one. If not, none was taken.
        left: The tokens that are in each bucket now.
    """

    is_allowed: bool
    left: Sequence[int]


class RateLimiter(ABC):
    """Token buckets, shared by all processes of the service or of this process alone."""

    @abstractmethod
    def try_take(self, limits: Sequence[RateLimit]) -> RateDecision | None:
        """Do as `take` does, but only if that takes no wait for another process; return None otherwise."""

    @abstractmethod
    def take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none of them if one is empty."""
