from datetime import datetime, timedelta

from application.ports.clock import Clock


class Steadiness:
    """Whether something has answered for a while: whenever it was asked, with no break as long as that while.

    There is such a break, too, when this process or its whole machine stood still.
    """

    def __init__(self, clock: Clock, while_s: float) -> None:
        self._clock = clock
        self._while = timedelta(seconds=while_s)
        self._since: datetime | None = None
        self._last = clock.now()

    def answered(self) -> bool:
        """Note an answer; return whether there have been answers for that while."""
        now = self._clock.now()
        if self._since is None or now - self._last > self._while:
            self._since = now
        self._last = now
        return now - self._since >= self._while

    def failed(self) -> None:
        """Note that there was no answer."""
        self._since = None
