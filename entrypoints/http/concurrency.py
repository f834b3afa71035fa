"""Limits on concurrent work, in total and per address."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from functools import partial
from threading import RLock
from typing import TypeVar
from weakref import WeakValueDictionary

from entrypoints.http.request_context import caller_network

T = TypeVar("T")

_PATIENCE_S = 5.0
_RETRY_AFTER_S = 5


class Overloaded(Exception):
    """The service is at a limit on concurrent work."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail}; try again in {_RETRY_AFTER_S} s")
        self.headers = {"Retry-After": str(_RETRY_AFTER_S)}


class SharedBudget:
    """An amount that all callers share, such as open streams or bytes of disk, limited for each address.

    It is thread-safe.

    Args:
        total: The whole amount.
        per_address: The amount that one address may use; None for all of it.
        detail: The error message when the whole amount is used up.
        detail_of_address: The error message when an address has used its part.
    """

    def __init__(self, total: int, per_address: int | None, detail: str, detail_of_address: str) -> None:
        self.total = total
        self.used = 0
        self._per_address = total if per_address is None else per_address
        self._detail = detail
        self._detail_of_address = detail_of_address
        self._used_by: Counter[str] = Counter()
        self._lock = RLock()

    def check(self, size: int = 1) -> None:
        """Check that the caller may take an amount. A request for any amount passes while nothing is used.

        Raises:
            Overloaded: The amount would exceed a limit.
        """
        own = self._used_by[caller_network()]
        if self.used and self.used + size > self.total:
            raise Overloaded(self._detail)
        if own and own + size > self._per_address:
            raise Overloaded(self._detail_of_address)

    def take(self, size: int = 1) -> Callable[[], None]:
        """Take an amount without a check, and return a function that gives it back."""
        network = caller_network()
        with self._lock:
            self._add(network, size)
        return partial(self._add, network, -size)

    def reserve(self, size: int) -> Callable[[], None]:
        """Check and take an amount atomically; return a function that gives it back.

        Raises:
            Overloaded: The amount would exceed a limit.
        """
        with self._lock:
            self.check(size)
            return self.take(size)

    def _add(self, network: str, size: int) -> None:
        with self._lock:
            self.used += size
            self._used_by[network] += size
            if not self._used_by[network]:
                del self._used_by[network]


class ConcurrencyLimiter:
    """Limits the concurrent tasks that take memory or time; further tasks wait a few seconds for a slot.

    Args:
        number: The number of concurrent tasks.
        detail: The error message for a task that got no slot in time.
        per_address: The number of concurrent tasks of one address; None for no limit. Further tasks wait for
            tasks of the same address, and do not delay other addresses.
    """

    def __init__(self, number: int, detail: str, per_address: int | None = None) -> None:
        self._detail = detail
        self._slots = asyncio.Semaphore(number)
        self._per_address = number if per_address is None else per_address
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot while the context lasts.

        Raises:
            Overloaded: No slot became free in time.
        """
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await held.enter_async_context(self._share())
                    await held.enter_async_context(self._slots)
            except TimeoutError:
                raise Overloaded(self._detail) from None
            yield

    def _share(self) -> asyncio.Semaphore:
        return self._shares.setdefault(caller_network(), asyncio.Semaphore(self._per_address))


class StorageThreads:
    """A thread pool for calls to object stores, so that a store that does not respond blocks no other work.

    Args:
        number: The number of threads; further calls are queued.
    """

    def __init__(self, number: int) -> None:
        self._executor = ThreadPoolExecutor(number, thread_name_prefix="storage")

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function on a thread of the pool, and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, copy_context().run, work)


class StorageShare:
    """Runs long calls on some of the storage threads, so that short calls find a thread.

    Args:
        storage_threads: The pool that runs the calls.
        number: The number of concurrent calls; further calls wait.
    """

    def __init__(self, storage_threads: StorageThreads, number: int) -> None:
        self._storage_threads = storage_threads
        self._slots = asyncio.Semaphore(number)

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function on a storage thread, once a slot is free, and return its result."""
        async with self._slots:
            return await self._storage_threads.run(work)


class StorageLimiter(ConcurrencyLimiter):
    """Limits the concurrent calls of one kind to object stores.

    Args:
        storage_threads: The pool that runs the calls.
        number: The number of concurrent calls.
        detail: The error message for a call that got no slot in time.
        per_address: The number of concurrent calls of one address; None for no limit.
    """

    def __init__(
        self, storage_threads: StorageThreads, number: int, detail: str, per_address: int | None = None
    ) -> None:
        super().__init__(number, detail, per_address)
        self._storage_threads = storage_threads

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function on a storage thread, once a slot is free.

        Raises:
            Overloaded: No slot became free in time.
        """
        async with self.slot():
            return await self._storage_threads.run(work)
