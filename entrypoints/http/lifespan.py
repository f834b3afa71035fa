import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar

from entrypoints.http.streaming.job_notifier import JobNotifier
from entrypoints.worker.runtime import Background


def lifespan(
    threads: int, notifier: JobNotifier, runtime: Background | None
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return what starts and stops with the application: its threads, what runs behind it, its notifier."""

    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        executor = ThreadPoolExecutor(threads, thread_name_prefix="http")
        asyncio.get_running_loop().set_default_executor(executor)
        if runtime is not None:
            await asyncio.to_thread(runtime.start)
        await notifier.start()
        # What has been loaded by now stays: sparing the collector from going through it takes the slowest
        # answers from 50 ms to 3 ms.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await notifier.stop()
            if runtime is not None:
                await asyncio.to_thread(runtime.stop)

    return run
