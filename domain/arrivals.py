"""Times at which a program's output arrived, for its log: few marks, however much it wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

MAX_MARKS = 10_000
# Output of one stream within this time has one mark, in milliseconds; it doubles whenever there are too many.
_STEP_MS = 10
_STREAMS = ("stdout", "stderr")
_MILLISECOND = timedelta(milliseconds=1)
# Of a mark: its time, and the bytes of each stream that had come by then.
Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Marks in the order of their times, in milliseconds from a begin on.

    In both streams together they give the order in which output came, to the precision of the marks.
    """

    begin: datetime
    marks: Sequence[Mark]

    def of(self, stream: str) -> Sequence[tuple[int, int]]:
        """Return the times with the bytes of one stream that had come by then."""
        place = 1 + _STREAMS.index(stream)
        return [(mark[0], mark[place]) for mark in self.marks]

    def as_json(self) -> Mapping[str, object]:
        """Return the form that logs have."""
        return {"begin": self.begin.isoformat(), "marks": self.marks}

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Read the form that logs have; None if it is not that."""
        if not isinstance(value, dict):
            return None
        marks = value.get("marks")
        if not isinstance(marks, list) or len(marks) > MAX_MARKS or not all(map(_is_mark, marks)):
            return None
        if not all(map(_is_in_order, pairwise(marks))):
            return None
        try:
            begin = datetime.fromisoformat(value["begin"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return cls(begin, [(mark[0], mark[1], mark[2]) for mark in marks])


class ArrivalRecorder:
    """Records when chunks of output arrived. It is used by one thread at a time."""

    def __init__(self) -> None:
        self._begin: datetime | None = None
        self._marks: list[Mark] = []
        self._ends = dict.fromkeys(_STREAMS, 0)
        self._step_ms = _STEP_MS
        # Of the last mark: when its first output came, and of which stream it is.
        self._since_ms = 0
        self._stream = ""

    @property
    def arrivals(self) -> Arrivals | None:
        """All marks so far; None if nothing arrived."""
        return None if self._begin is None else Arrivals(self._begin, tuple(self._marks))

    def add(self, stream: str, end: int, at: datetime) -> None:
        """Record that a stream came up to an offset."""
        if self._begin is None:
            self._begin = at
        before_ms = self._marks[-1][0] if self._marks else 0
        ms = max((at - self._begin) // _MILLISECOND, before_ms)
        self._ends[stream] = end
        mark = (ms, self._ends["stdout"], self._ends["stderr"])
        if self._stream == stream and ms - self._since_ms < self._step_ms:
            self._marks[-1] = mark
            return
        self._marks.append(mark)
        self._since_ms, self._stream = ms, stream
        if len(self._marks) > MAX_MARKS:
            self._marks = self._marks[::-1][::2][::-1]  # the last one stays
            self._step_ms *= 2


def _is_in_order(marks: tuple[Mark, Mark]) -> bool:
    return all(one <= other for one, other in zip(*marks, strict=True))


def _is_mark(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 1 + len(_STREAMS)
        and all(type(part) is int and part >= 0 for part in value)
    )
