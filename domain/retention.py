"""Retention: how long jobs, their logs, and jobs that were never executed are kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from domain.catalogue.text import text
from domain.errors import InvalidValue

# The value of a figure that keeps things for good, whatever is set for others.
FOREVER = "forever"
MIN_DAYS = 0.01
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The days for which the things of an owner are kept: FOREVER, or None for as long as by its owner's.

    Attributes:
        jobs_days: Jobs that have ended, from their end, with their executions, results, code and logs.
        logs_days: Logs, from the end of their executions; the job and its result stay.
        pending_days: Jobs that were uploaded and never executed, from their upload.

    Raises:
        InvalidValue: A figure is neither a number of days within the bounds nor FOREVER.
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
        """Build a policy from figures by their names; None is none.

        Raises:
            InvalidValue: A figure breaks its rule.
        """
        return cls(**{name: figures.get(name) for name in RETENTION_NAMES})

    def figures(self) -> dict[str, float | str]:
        """Return the figures that there are, by their names; whole days without a fraction."""
        own = {name: getattr(self, name) for name in RETENTION_NAMES}
        return {name: _whole(days) for name, days in own.items() if days is not None}

    def over(self, base: "Retention") -> "Retention":
        """Return this policy, with the figures of a more general one where this has none."""
        return Retention.of({**base.figures(), **self.figures()})

    def kept_since(self, name: str, now: datetime) -> datetime | None:
        """Return the time before which things are removed; None if they are kept for good."""
        days = getattr(self, name)
        return now - timedelta(days=days) if isinstance(days, int | float) else None


RETENTION_NAMES = tuple(f.name for f in fields(Retention))
NO_RETENTION = Retention()


def _whole(days: float | str) -> float | str:
    return int(days) if isinstance(days, float) and days.is_integer() else days
