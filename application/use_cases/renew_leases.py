"""Command: renew the leases of a process's executions and cases."""

from collections.abc import Mapping

from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.ports.unit_of_work import UnitOfWork
from domain.values import ExecutionId, JobId


class RenewLeases:
    """Renews the leases of a process's executions, and of the ranges of cases that it runs."""

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        in_flight: InFlightExecutions,
        in_flight_cases: InFlightCases,
        worker: str,
        lease_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._in_flight = in_flight
        self._in_flight_cases = in_flight_cases
        self._worker = worker
        self._lease_s = lease_s

    def __call__(self) -> Mapping[ExecutionId, JobId]:
        """Renew all leases in one transaction; return the lost executions, which must be stopped.

        They include executions of other workers whose cases ran here and whose range was lost.
        """
        running, ranges = self._in_flight.snapshot(), self._in_flight_cases.snapshot()
        if not running and not ranges:
            return {}
        kept, kept_ranges = self._unit_of_work.run(
            lambda transaction: (
                transaction.executions.renew(self._worker, running.keys(), self._lease_s),
                transaction.cases.renew(ranges.keys(), self._lease_s),
            )
        )
        lost = {execution_id: job_id for execution_id, job_id in running.items() if execution_id not in kept}
        lost_cases = (owner for range_id, owner in ranges.items() if range_id not in kept_ranges)
        return lost | dict(lost_cases)
