import logging
import random
from collections.abc import Callable
from threading import Event, Thread

from application.errors import DependencyUnavailable

logger = logging.getLogger("service_server.housekeeping")

_JITTER = 0.1


class Periodic:
    """Does something at once and then again and again on a thread of its own, whatever goes wrong with it.

    The interval varies by a tenth, so that many processes do not act in step.
    """

    def __init__(self, name: str, action: Callable[[], object], every_s: float) -> None:
        self._action = action
        self._every_s = every_s
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when what is being done is done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._action()
            except DependencyUnavailable as error:
                logger.warning("%s: %s", self._thread.name, error)
            except Exception:  # housekeeping must outlive a bug in one round of it
                logger.exception("%s failed", self._thread.name)
            self._stopping.wait(self._every_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
