"""The metrics of circuit breakers."""

from collections import Counter
from collections.abc import Iterable

from adapters.common.circuit_breaker import breakers
from application.metrics import CIRCUIT_OPENINGS, CIRCUITS_OPEN
from application.ports.measurements import Sample


def circuit_samples() -> Iterable[Sample]:
    """Yield the state of this process's circuits, by the name of the dependency.

    A circuit that admits a trial still counts as open: a scrape would otherwise often miss an outage.
    """
    are_open, openings = Counter[str](), Counter[str]()
    for breaker in breakers():
        are_open[breaker.dependency] += breaker.shows_outage
        openings[breaker.dependency] += breaker.openings
    for dependency in openings:
        yield Sample(CIRCUITS_OPEN, are_open[dependency], (dependency,))
        yield Sample(CIRCUIT_OPENINGS, openings[dependency], (dependency,))
