"""Command: check that the log store has the logs of ended executions."""

from application.errors import DependencyUnavailable, StorageUnavailable
from application.ports.object_store import ObjectStore
from application.ports.unit_of_work import UnitOfWork


class CheckLogStore:
    """Checks that the log store responds and that no ended execution waits for its log to be stored.

    A full store responds but takes no logs, so that results wait.
    """

    def __init__(self, log_store: ObjectStore, unit_of_work: UnitOfWork) -> None:
        self._log_store = log_store
        self._unit_of_work = unit_of_work

    def __call__(self) -> None:
        """Check both.

        Raises:
            StorageUnavailable: The store does not respond, or logs of executions wait to be stored.
        """
        self._log_store.check()
        try:
            waiting = self._unit_of_work.read(lambda transaction: transaction.executions.awaiting_storage())
        except DependencyUnavailable:
            return  # reported by the check of the database
        if waiting:
            logs = (
                "the log of 1 execution waits" if waiting == 1 else f"the logs of {waiting} executions wait"
            )
            raise StorageUnavailable(f"{logs} to be stored")
