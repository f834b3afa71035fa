"""How long the database has been healthy, as seen by this process."""

from datetime import datetime, timedelta

from application.ports.clock import Clock


class StabilityWindow:
    """The time for which writes to the database have succeeded and its clock has advanced evenly.

    It restarts after a failed write, after a pause without writes (this process or its machine stood still),
    and after the database's clock was set. In each of these cases leases of live workers may have expired.
    Once the window has reached its full length, they have had time to renew them.

    Args:
        clock: The clock of durations.
        length_s: The full length in seconds; a longer time without writes counts as a pause.
    """

    def __init__(self, clock: Clock, length_s: float) -> None:
        self._clock = clock
        self._length_s = length_s
        self._tolerance_s = length_s / 4
        self._begin: float | None = None
        self._asked = self._answered = clock.monotonic()
        self._database_time: datetime | None = None

    def succeeded(self, asked: float, database_time: datetime) -> bool:
        """Record a successful write; return whether the window has its full length.

        Args:
            asked: When the write began, by the monotonic clock.
            database_time: The database's time at some moment since then.
        """
        now = self._clock.monotonic()
        is_paused = now - self._answered > self._length_s
        if self._begin is None or is_paused or self._is_clock_set(asked, now, database_time):
            self._begin = now
        self._asked, self._answered, self._database_time = asked, now, database_time
        return now - self._begin >= self._length_s

    def failed(self) -> None:
        """Record a failed write."""
        self._begin = None

    def _is_clock_set(self, asked: float, answered: float, database_time: datetime) -> bool:
        """Compare the time that passed in the database with the minimum and maximum that passed here."""
        if self._database_time is None:
            return False
        passed_s = (database_time - self._database_time) / timedelta(seconds=1)
        least_s, most_s = asked - self._answered, answered - self._asked
        return not least_s - self._tolerance_s <= passed_s <= most_s + self._tolerance_s
