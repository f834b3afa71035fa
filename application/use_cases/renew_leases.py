"""Command: renew the leases of a process's executions."""

from collections.abc import Mapping

from application.in_flight_executions import InFlightExecutions
from application.ports.unit_of_work import UnitOfWork
from domain.values import ExecutionId, JobId


class RenewLeases:
    """Renews the leases of a process's executions."""

    def __init__(
        self, unit_of_work: UnitOfWork, in_flight: InFlightExecutions, worker: str, lease_s: float
    ) -> None:
        self._unit_of_work = unit_of_work
        self._in_flight = in_flight
        self._worker = worker
        self._lease_s = lease_s

    def __call__(self) -> Mapping[ExecutionId, JobId]:
        """Renew all the leases in one transaction; return the lost executions, to be stopped."""
        running = self._in_flight.snapshot()
        if not running:
            return {}
        kept = self._unit_of_work.run(
            lambda transaction: transaction.executions.renew(self._worker, running.keys(), self._lease_s)
        )
        return {execution_id: job_id for execution_id, job_id in running.items() if execution_id not in kept}
