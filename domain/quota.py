"""A quota: the limits of a tenant's usage of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.limits import STANDARD_BOUNDS
from domain.priority import DEFAULT_PRIORITY, MAX_PRIORITY

# Every value fits a signed 64-bit integer of a database.
MAX_FIGURE = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Limits of a tenant's usage; None where only the service's own limit applies.

    Attributes:
        requests_per_s: Requests per second on average; bursts may have as many.
        running: Executions running at the same time; further ones wait.
        waiting: Executions waiting at the same time.
        uploads_per_day: Jobs uploaded per day in UTC.
        cpu_seconds_per_day: Processor time of programs that ended, per day in UTC.
        stored_bytes: Bytes of code and logs in the object store.
        max_priority: The highest priority of a job.
        streams: Concurrent event streams and waiting requests.
        webhooks: Webhooks.
        limits: The largest limits of an execution, by name.

    Raises:
        InvalidValue: A value is negative, too large or not an integer, or there is no such limit.
    """

    requests_per_s: int | None = None
    running: int | None = None
    waiting: int | None = None
    uploads_per_day: int | None = None
    cpu_seconds_per_day: int | None = None
    stored_bytes: int | None = None
    max_priority: int | None = None
    streams: int | None = None
    webhooks: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: Mapping[str, object] = self.figures()
        for name, figure in given.items():
            if isinstance(figure, bool) or not isinstance(figure, int) or not 0 <= figure <= MAX_FIGURE:
                raise InvalidValue(name, text("problems.whole_number_from_0", maximum=MAX_FIGURE))
        for name, largest in self.limits.items():
            if name not in STANDARD_BOUNDS:
                raise InvalidValue(name, text("problems.no_such_quota"))
            if largest < STANDARD_BOUNDS[name].minimum:
                raise InvalidValue(name, text("problems.at_least", minimum=STANDARD_BOUNDS[name].minimum))
        if self.max_priority is not None and self.max_priority > MAX_PRIORITY:
            raise InvalidValue("max_priority", text("problems.from_0", maximum=MAX_PRIORITY))

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """Build a quota from values by name, including limits; None means no limit.

        Raises:
            InvalidValue: A value breaks its rule, or there is no such quota.
        """
        given = {name: figure for name, figure in figures.items() if figure is not None}
        own = {name: given.pop(name) for name in _OWN_FIGURES if name in given}
        return cls(**own, limits=given)

    def allowed_priority(self, wanted: int) -> int:
        """Return the priority of a job; the default priority is lowered to the maximum.

        Raises:
            InvalidValue: A priority above the maximum is requested.
        """
        highest = MAX_PRIORITY if self.max_priority is None else self.max_priority
        if wanted <= highest:
            return wanted
        if wanted == DEFAULT_PRIORITY:
            return highest
        raise InvalidValue("priority", text("problems.quota_priority", maximum=highest))

    def figures(self) -> dict[str, int]:
        """Return the quotas that are set, by name, including limits."""
        own = {name: getattr(self, name) for name in _OWN_FIGURES}
        return {name: figure for name, figure in own.items() if figure is not None} | dict(self.limits)


_OWN_FIGURES = tuple(f.name for f in fields(Quota) if f.name != "limits")
QUOTA_NAMES = frozenset({*_OWN_FIGURES, *STANDARD_BOUNDS})
UNLIMITED = Quota()
