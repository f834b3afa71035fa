import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from entrypoints.http.live.storage_threads import StorageThreads

T = TypeVar("T")

_PATIENCE_S = 5.0
_RETRY_AFTER_S = 5


class NoPlace(Exception):
    """As much is being done at once as the service is to do."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; try again in {_RETRY_AFTER_S} s")
        self.headers = {"Retry-After": str(_RETRY_AFTER_S)}


class Places:
    """Lets so many at once do what takes memory or time, and others wait a moment for their turn.

    Args:
        number: How many.
        what: What those do who have a place, for those who get none.
    """

    def __init__(self, number: int, what: str) -> None:
        self._what = what
        self._places = asyncio.Semaphore(number)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Have a place.

        Raises:
            NoPlace: Others took too long.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._places.acquire()
        except TimeoutError:
            raise NoPlace(self._what) from None
        try:
            yield
        finally:
            self._places.release()


class StoragePlaces(Places):
    """Lets so many at once have threads that wait for an object store.

    Args:
        storage_threads: Whose threads they are.
        number: How many of them.
        what: What those do who have them, for those who get none.
    """

    def __init__(self, storage_threads: StorageThreads, number: int, what: str) -> None:
        super().__init__(number, what)
        self._storage_threads = storage_threads

    async def run(self, work: Callable[[], T]) -> T:
        """Do work on a thread, when it is its turn.

        Raises:
            NoPlace: Others took too long.
        """
        async with self.held():
            return await self._storage_threads.run(work)
