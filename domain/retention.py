"""Retention: how long jobs, their logs, and jobs that were never executed are kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from domain.catalogue.text import text
from domain.errors import InvalidValue

# The value that keeps data forever, regardless of more general policies.
FOREVER = "forever"
MIN_DAYS = 0.01
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days data is kept: FOREVER, or None to inherit the value from the owner.

    Attributes:
        jobs_days: Jobs that have ended, counted from their end, with their executions, results, code and
            logs.
        logs_days: Logs, counted from the end of their executions; the job and its result are kept.
        pending_days: Jobs that were uploaded but never executed, counted from their upload.

    Raises:
        InvalidValue: A value is neither FOREVER nor a number of days in the allowed range.
    """

    jobs_days: float | str | None = None
    logs_days: float | str | None = None
    pending_days: float | str | None = None

    def __post_init__(self) -> None:
        given: Mapping[str, object] = self.figures()
        for name, days in given.items():
            if days == FOREVER:
                continue
            is_number = isinstance(days, int | float) and not isinstance(days, bool) and math.isfinite(days)
            if not is_number or not MIN_DAYS <= days <= MAX_DAYS:  # type: ignore[operator]
                raise InvalidValue(
                    name, text("problems.retention_days", minimum=MIN_DAYS, maximum=MAX_DAYS, forever=FOREVER)
                )

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """Build a policy from values by name; None means that a value is not set.

        Raises:
            InvalidValue: A value breaks its rule.
        """
        return cls(**{name: figures.get(name) for name in RETENTION_NAMES})

    def figures(self) -> dict[str, float | str]:
        """Return the values that are set, by name; whole days as integers."""
        own = {name: getattr(self, name) for name in RETENTION_NAMES}
        return {name: _whole(days) for name, days in own.items() if days is not None}

    def over(self, base: "Retention") -> "Retention":
        """Return this policy, with missing values taken from a more general one."""
        return Retention.of({**base.figures(), **self.figures()})

    def kept_since(self, name: str, now: datetime) -> datetime | None:
        """Return the time before which data is removed; None if it is kept forever."""
        days = getattr(self, name)
        return now - timedelta(days=days) if isinstance(days, int | float) else None


RETENTION_NAMES = tuple(f.name for f in fields(Retention))
NO_RETENTION = Retention()


def _whole(days: float | str) -> float | str:
    return int(days) if isinstance(days, float) and days.is_integer() else days
