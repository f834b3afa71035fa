import logging
import random
from collections.abc import Callable
from threading import Event, Thread

from application.errors import DependencyUnavailable
from application.log_context import outage_of

logger = logging.getLogger("service_server.housekeeping")

_JITTER = 0.1
# How soon what a dependency kept from being done is tried again.
_AGAIN_AFTER_S = 0.5
# How long a round may take that is under way when the loop is to end.
_LAST_ROUND_S = 2.0


class Periodic:
    """Does something at once and then again and again on a thread of its own, whatever goes wrong with it.

    The interval varies by a tenth, so that many processes do not act in step. After a round for which a
    dependency was out of reach, the next one comes soon: much may be due when it is back.
    """

    def __init__(self, name: str, action: Callable[[], object], every_s: float) -> None:
        self._action = action
        self._every_s = every_s
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def interrupt(self) -> None:
        """Begin no other round."""
        self._stopping.set()

    def stop(self) -> None:
        """End, when what is being done is done, or takes too long."""
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(_LAST_ROUND_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._every_s if self._try() else min(self._every_s, _AGAIN_AFTER_S)
            self._stopping.wait(wait_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret

    def _try(self) -> bool:
        try:
            self._action()
        except DependencyUnavailable as error:
            logger.warning("%s: %s", self._thread.name, error, extra=outage_of(error))
            return False
        except Exception:  # housekeeping must outlive a bug in one round of it
            logger.exception("%s failed", self._thread.name)
        return True
