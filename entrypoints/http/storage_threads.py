import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class StorageThreads:
    """Threads of their own for what waits for an object store: one that is silent holds up nothing else.

    Args:
        number: How many wait at once; the others wait for their turn, and hold no thread meanwhile.
    """

    def __init__(self, number: int) -> None:
        self._executor = ThreadPoolExecutor(number, thread_name_prefix="storage")

    async def run(self, work: Callable[[], T]) -> T:
        """Return what work returns that reads or writes objects."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, copy_context().run, work)
