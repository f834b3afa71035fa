import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A log is read whole, and takes several times its size while it is: so many at once bound the memory.
_READ_AT_ONCE = 2
_PATIENCE_S = 5.0
_RETRY_AFTER_S = 5


class NoPlace(Exception):
    """As much is being done at once as the service is to do."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; try again in {_RETRY_AFTER_S} s")
        self.headers = {"Retry-After": str(_RETRY_AFTER_S)}


class LogPlaces:
    """Has few large logs read at once, by threads that none waits for."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_READ_AT_ONCE)

    async def read(self, work: Callable[[], T]) -> T:
        """Read on a thread, when it is this reader's turn.

        Raises:
            NoPlace: Others took too long.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._places.acquire()
        except TimeoutError:
            raise NoPlace("other logs are being read") from None
        try:
            return await asyncio.to_thread(work)
        finally:
            self._places.release()
