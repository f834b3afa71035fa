"""The reasons for which a job may be retried, and the delays between attempts."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from domain.job_lifecycle import Reason

# Each reason with its justification. For other reasons a retry would fail in the same way, or is not wanted:
# `compile_error`, `secrets_unavailable`, `cancelled`.
RETRYABLE: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NONZERO_EXIT: "a program may depend on chance, on the time, or on a service that it calls",
        Reason.SIGNAL: "likewise",
        Reason.BUILD_LIMIT: "a build takes longer while the machine is busy",
        Reason.WALL_TIME_LIMIT: "a program takes longer while the machine is busy",
        Reason.CPU_TIME_LIMIT: "a program may depend on chance",
        Reason.MEMORY_LIMIT: "likewise",
        Reason.OUTPUT_LIMIT: "likewise",
        Reason.PROCESS_LIMIT: "likewise",
        Reason.ENGINE_UNAVAILABLE: "the engine may be back",
        Reason.ENGINE_ERROR: "the engine may have recovered",
        Reason.STORAGE_ERROR: "the store of logs may be back",
        Reason.INTERNAL: "the fault may be of one worker alone",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that double with each attempt, in seconds.

    Attributes:
        first_s: The delay before the second attempt.
        longest_s: The longest delay.
    """

    first_s: float = 1.0
    longest_s: float = 60.0

    def before(self, attempt: int) -> float:
        """Return the delay before an attempt; the first attempt, number 1, has none."""
        if attempt <= 1:
            return 0.0
        # The exponent is limited, because a caller chooses the number of attempts.
        return float(min(self.first_s * 2 ** min(attempt - 2, 30), self.longest_s))

    def after(self, waited_s: float) -> float:
        """Return the delay before the next attempt to start a program: as long as it has waited until now."""
        return min(max(self.first_s, waited_s), self.longest_s)
