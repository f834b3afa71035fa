import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retries:
    """How often an engine is asked again, and how long to wait before: twice as long each time, with jitter.

    Attributes:
        tries: How often it is asked in all.
        first_delay_s: The longest wait before the second try.
        max_delay_s: The longest wait before any.
    """

    tries: int = 5
    first_delay_s: float = 0.2
    max_delay_s: float = 2.0

    def delays(self) -> Iterator[float]:
        """Yield the waits between the tries, in seconds: each from half to the whole of its longest."""
        for again in range(self.tries - 1):
            longest = min(self.first_delay_s * 2**again, self.max_delay_s)
            yield random.uniform(longest / 2, longest)  # noqa: S311 - jitter keeps no secret
