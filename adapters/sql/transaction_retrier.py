"""Short retries of failed transactions, before the database counts as unavailable."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

import sqlalchemy as sa

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.sql.errors import DATABASE, ConnectionsInUse, DatabaseGone, Failure, diagnose, unavailable
from application.errors import ConcurrencyConflict, DependencyUnavailable
from application.log_context import outage
from application.retry_policy import RetryPolicy

T = TypeVar("T")
# Called before each retry.
OnRetry: TypeAlias = Callable[[], None]

logger = logging.getLogger("service_server.database")

# A conflict ends when the other transactions end. After a broken connection, a new one is tried only twice:
# if the server hangs, the first failure has taken a whole timeout already. Delays are random, so that
# conflicting transactions do not collide again.
_RETRIES = {
    Failure.CONFLICT: RetryPolicy.exponential(0.004, 0.2, retries=29, jitter=1),
    Failure.LOST: RetryPolicy.exponential(0.004, 0.2, retries=2, jitter=1),
}
_MAX_S = {Failure.CONFLICT: 5.0, Failure.LOST: 1.0}


class TransactionRetrier:
    """Runs transactions with retries, behind a circuit breaker that opens if the database is unreachable.

    The parts of a process that use the same database share one, and with it the state of the circuit.

    Args:
        on_retry: Called before each retry of a transaction.
    """

    def __init__(self, on_retry: OnRetry | None = None) -> None:
        self._circuit = CircuitBreaker(DATABASE, failure=DatabaseGone, unasked=(ConnectionsInUse,))
        self._on_retry = on_retry

    def __call__(self, run: Callable[[], T]) -> T:
        """Run a whole transaction, and retry it after conflicts with others.

        Raises:
            DependencyUnavailable: The database is unreachable, or was a moment ago, or the conflict does not
                end.
        """
        with self._circuit.call():
            return run_again(run, self._on_retry)


def run_again(run: Callable[[], T], on_retry: OnRetry | None = None) -> T:
    """Run a whole transaction, and retry it after conflicts with others.

    Raises:
        DependencyUnavailable: The database is unreachable, or the conflict does not end.
    """
    begin = time.monotonic()
    delays: dict[Failure, Iterator[float]] = {}
    runs = 0
    while True:
        runs += 1
        try:
            return run()
        except (ConcurrencyConflict, sa.exc.SQLAlchemyError) as error:
            failure, detail = _diagnose(error)
            if failure in {Failure.BUG, Failure.DUPLICATE}:
                raise
            took_s = time.monotonic() - begin
            if failure not in delays:
                delays[failure] = _RETRIES.get(failure, RetryPolicy()).delays()
            delay_s = next(delays[failure], None)
            if delay_s is None or took_s > _MAX_S[failure]:
                logger.warning(
                    "the database is unavailable: %s (%d runs, %.1f s)",
                    detail,
                    runs,
                    took_s,
                    extra=outage(DATABASE, detail),
                )
                raise _final(failure, detail) from error
            logger.debug("transaction failed, retrying: %s", detail)
            if on_retry is not None:
                on_retry()
        time.sleep(delay_s)


def _diagnose(error: Exception) -> tuple[Failure, str]:
    if isinstance(error, sa.exc.SQLAlchemyError):
        return diagnose(error)
    return Failure.CONFLICT, "transactions keep changing the same row"


def _final(failure: Failure, detail: str) -> DependencyUnavailable:
    if failure is Failure.UNASKED:
        return ConnectionsInUse(detail)
    return DatabaseGone(detail) if failure in {Failure.LOST, Failure.GONE} else unavailable(detail)
