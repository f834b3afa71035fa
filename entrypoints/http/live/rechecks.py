from collections.abc import Iterator
from itertools import chain, repeat

_FIRST_S = (1.0, 2.0)
_LATER_S = 5.0


def recheck_delays() -> Iterator[float]:
    """Yield how long to trust that an event would have come, in seconds, before the database is asked.

    Events are hints and may be lost. Who has waited long is asked for ever less, so that many who wait cost
    the database little; the longest delay is also the heartbeat of a stream.
    """
    return chain(_FIRST_S, repeat(_LATER_S))
