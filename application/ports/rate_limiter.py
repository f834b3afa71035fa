"""The port to limits on requests per second."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

# More than one service can answer, and within the integer range of every adapter.
MAX_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket, which holds the requests of one second and refills in one second.

    Attributes:
        subject: The name of the bucket: the caller whose requests it counts.
        per_s: Requests per second, from 1 to MAX_PER_S.
    """

    subject: str
    per_s: int


@dataclass(frozen=True, slots=True)
class RateDecision:
    """The response to a request for tokens.

    Attributes:
        is_allowed: Whether every bucket had a token. If not, none was taken.
        left: The tokens now left in each bucket.
    """

    is_allowed: bool
    left: Sequence[int]


class RateLimiter(ABC):
    """Token buckets, shared by all processes of the service or local to this process."""

    @abstractmethod
    def try_take(self, limits: Sequence[RateLimit]) -> RateDecision | None:
        """Take tokens as `take` does if that needs no wait for another process; otherwise return None."""

    @abstractmethod
    def take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none if any bucket is empty."""
