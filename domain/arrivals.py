"""Times at which a program's output arrived, for its log: a limited number of marks for any output size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

MAX_MARKS = 10_000
# Output of one stream within this time, in milliseconds, shares one mark; the time doubles when there are too
# many marks.
_STEP_MS = 10
_STREAMS = ("stdout", "stderr")
_MILLISECOND = timedelta(milliseconds=1)
# The time of a mark, and the bytes of stdout and stderr that had arrived by then.
Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Marks in the order of their times, in milliseconds since `begin`.

    Together the two streams' marks give the order in which output arrived, within the precision of the marks.
    """

    begin: datetime
    marks: Sequence[Mark]

    def of(self, stream: str) -> Sequence[tuple[int, int]]:
        """Return the times of the marks, each with the bytes of one stream that had arrived by then."""
        place = 1 + _STREAMS.index(stream)
        return [(mark[0], mark[place]) for mark in self.marks]

    def as_json(self) -> Mapping[str, object]:
        """Return the JSON form used in logs."""
        return {"begin": self.begin.isoformat(), "marks": self.marks}

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Parse the JSON form used in logs; return None if it is invalid."""
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
    """Records when chunks of output arrived. Not safe to use from several threads at once."""

    def __init__(self) -> None:
        self._begin: datetime | None = None
        self._marks: list[Mark] = []
        self._ends = dict.fromkeys(_STREAMS, 0)
        self._step_ms = _STEP_MS
        # When the first output of the last mark arrived, and the stream that it arrived on.
        self._since_ms = 0
        self._stream = ""

    @property
    def arrivals(self) -> Arrivals | None:
        """All marks so far; None if no output has arrived."""
        return None if self._begin is None else Arrivals(self._begin, tuple(self._marks))

    def add(self, stream: str, end: int, at: datetime) -> None:
        """Record that a stream has reached an offset."""
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
            self._marks = self._marks[::-1][::2][::-1]  # keeps the last mark
            self._step_ms *= 2


def _is_in_order(marks: tuple[Mark, Mark]) -> bool:
    return all(one <= other for one, other in zip(*marks, strict=True))


def _is_mark(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 1 + len(_STREAMS)
        and all(type(part) is int and part >= 0 for part in value)
    )
