"""Reads of the history of the queue and of the machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.ports.clock import Clock
from application.ports.cluster_history import ClusterSample, HistoryStep
from application.ports.unit_of_work import UnitOfWork
from application.queries.time_ranges import begin_of_range

_MINUTE_S = 60
_HOUR_S = 3_600


def history_steps(kept_days: float) -> tuple[HistoryStep, ...]:
    """Return the resolutions of the history, which amount to some 1,200 rows for a month."""
    return (
        HistoryStep(_MINUTE_S, timedelta(hours=2)),
        HistoryStep(10 * _MINUTE_S, timedelta(hours=25)),
        HistoryStep(_HOUR_S, timedelta(days=kept_days)),
    )


@dataclass(frozen=True, slots=True)
class ClusterHistoryView:
    """Samples of a time range, ascending, each with its start; all cover the same number of seconds."""

    step_s: int
    samples: Sequence[tuple[datetime, ClusterSample]]


class ClusterHistoryReader:
    """Reads the history in the finest resolution that is kept for the whole range."""

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, steps: tuple[HistoryStep, ...]) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._steps = steps

    def __call__(self, minutes: int) -> ClusterHistoryView:
        """Return the history of the last minutes.

        Raises:
            InvalidValue: The minutes are out of range.
        """
        now = self._clock.now()
        begin = begin_of_range(now, minutes)
        step = next((s for s in self._steps if s.kept >= timedelta(minutes=minutes)), self._steps[-1])
        samples = self._unit_of_work.read(
            lambda transaction: transaction.cluster_history.read(
                step.seconds, step.begin_of(begin), now + timedelta(seconds=step.seconds)
            )
        )
        return ClusterHistoryView(step.seconds, samples)
