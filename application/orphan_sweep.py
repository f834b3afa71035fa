"""The removal of stored objects that no row refers to."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from threading import Event

from application.pace import Pace
from application.ports.clock import Clock
from application.ports.object_store import ObjectStore
from application.ports.purge_repository import StoreName
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.values import ObjectKey

_OBJECTS_AT_ONCE = 500


class OrphanSweep:
    """Records objects for deletion that no row refers to and that are too old for an upload in progress.

    Args:
        stores: The stores whose objects without a row are removed.
        kept: The age from which such an object is removed.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        stores: Mapping[StoreName, ObjectStore],
        clock: Clock,
        kept: timedelta,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._stores = stores
        self._clock = clock
        self._kept = kept

    @property
    def has_stores(self) -> bool:
        """Whether there is any store to sweep."""
        return bool(self._stores)

    def estimate(self) -> Mapping[str, int]:
        """Return the numbers of the objects without a row and of their bytes.

        Raises:
            DependencyUnavailable: The database or an object store is unavailable.
        """
        found: Counter[str] = Counter()
        for store, keys in self._pages():
            unowned = set(self._unowned(store, list(keys)))
            found["orphans"] += len(unowned)
            found["bytes"] += sum(keys[key] for key in unowned)
        return found

    def remove(self, pace: Pace, stopping: Event, count: Callable[[int], None]) -> None:
        """Remove the objects without a row, until `stopping` is set.

        Args:
            pace: The pace of the transactions.
            stopping: Ends the sweep after the current transaction.
            count: Called with the number of objects that a transaction removed.

        Raises:
            DependencyUnavailable: The database or an object store is unavailable.
        """
        for store, keys in self._pages():
            if stopping.is_set():
                return
            unowned = pace.read(partial(self._unowned, store, list(keys)))
            remove = partial(self._remove, pace, count, store)
            for _ in pace.batches("orphans", unowned, remove):
                if stopping.is_set():
                    return

    def _remove(
        self,
        pace: Pace,
        count: Callable[[int], None],
        store: StoreName,
        candidates: Sequence[ObjectKey],
        _size: int,
    ) -> int:
        def work(transaction: Transaction) -> int:
            unowned = transaction.retention.unowned(store, candidates, lock=True)
            for key in unowned:
                transaction.purges.delete_object(store, key)
            return len(unowned)

        count(self._unit_of_work.run(pace.timed(work)))
        return len(candidates)

    def _unowned(self, store: StoreName, keys: Sequence[ObjectKey]) -> Sequence[ObjectKey]:
        return self._unit_of_work.read(lambda t: t.retention.unowned(store, keys))

    def _pages(self) -> Iterator[tuple[StoreName, Mapping[ObjectKey, int]]]:
        """Yield the objects that are old enough, with their sizes, in pages of a store."""
        for store, objects in self._stores.items():
            old = objects.stored_before(self._clock.now() - self._kept)
            while page := {one.key: one.size for one in islice(old, _OBJECTS_AT_ONCE)}:
                yield store, page
