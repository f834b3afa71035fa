"""Command: check that the log store has the logs of ended executions."""

from application.errors import DependencyUnavailable, StorageUnavailable
from application.ports.object_store import ObjectStore
from application.ports.unit_of_work import UnitOfWork


class CheckLogStore:
    """Find out whether the log store answers, and whether it has the log of all that has ended.

    A store that is full answers, and takes no logs: results wait for it then.
    """

    def __init__(self, log_store: ObjectStore, unit_of_work: UnitOfWork) -> None:
        self._log_store = log_store
        self._unit_of_work = unit_of_work

    def __call__(self) -> None:
        """Ask both.

        Raises:
            StorageUnavailable: The store does not answer, or the logs of executions wait to be stored.
        """
        self._log_store.check()
        try:
            waiting = self._unit_of_work.read(lambda transaction: transaction.executions.awaiting_storage())
        except DependencyUnavailable:
            return  # another part's trouble
        if waiting:
            logs = (
                "the log of 1 execution waits" if waiting == 1 else f"the logs of {waiting} executions wait"
            )
            raise StorageUnavailable(f"{logs} to be stored")
