from threading import Lock, local
from time import monotonic
from types import TracebackType

from application.errors import DependencyUnavailable

# Short, so that a dependency that is back is noticed soon: a failed call takes about as long.
OPEN_S = 1.0


class Circuit:
    """Refuses calls to a dependency for a while after one has failed, so that not every call waits in vain.

    Once that while is over a single call tries its luck; the others are refused until it has succeeded.

    Args:
        failure: What a call raises if it failed; whatever else it raises shows that the dependency answers.
    """

    def __init__(
        self,
        dependency: str,
        open_s: float = OPEN_S,
        failure: type[DependencyUnavailable] = DependencyUnavailable,
    ) -> None:
        self._dependency = dependency
        self._open_s = open_s
        self._failure = failure
        self._broken_by: str | None = None
        self._refuse_until = 0.0
        self._answered_at = 0.0
        self._call = local()
        self._lock = Lock()

    def refusal(self, detail: str) -> DependencyUnavailable:
        """Build the error that a refused caller gets; the detail tells of the last failure."""
        return DependencyUnavailable(self._dependency, detail)

    def __enter__(self) -> None:
        with self._lock:
            now = monotonic()
            if self._broken_by is not None and now < self._refuse_until:
                raise self.refusal(f"{self._broken_by}, as of a moment ago")
            self._refuse_until = now + self._open_s
        self._call.began_at = now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if not isinstance(error, self._failure):
                self._broken_by = None
                self._answered_at = monotonic()
            elif self._call.began_at >= self._answered_at:  # or it tells of an outage that is over
                self._broken_by = error.detail
                self._refuse_until = monotonic() + self._open_s
