"""The metrics of circuit breakers."""

from collections import Counter
from collections.abc import Iterable

from adapters.common.circuit_breaker import breakers
from application.metrics import CIRCUIT_OPENINGS, CIRCUITS_OPEN
from application.ports.measurements import Sample


def circuit_samples() -> Iterable[Sample]:
    """Read the state of the circuits of this process, by the names of their dependencies.

    A circuit counts as open between trials, too: a scrape seldom falls into the second after one.
    """
    are_open, openings = Counter[str](), Counter[str]()
    for breaker in breakers():
        are_open[breaker.dependency] += breaker.shows_outage
        openings[breaker.dependency] += breaker.openings
    for dependency in openings:
        yield Sample(CIRCUITS_OPEN, are_open[dependency], (dependency,))
        yield Sample(CIRCUIT_OPENINGS, openings[dependency], (dependency,))
