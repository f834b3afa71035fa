"""An object store and runners in one process: `python -m tests.benchmarks.production_servers PORT PORT`.

The runners store the log themselves, as real runners do, and respond at once, except that a job with a
timeout of 2,001 ms gets its response after two seconds, and so on.
"""

import asyncio
import sys
from contextlib import suppress

import uvloop

from tests.support.cluster import LOG_BUCKET
from tests.support.runner import Exchange, FakeRunner, runs
from tests.support.s3_stub import S3Stub


async def serve(s3_port: int, runner_port: int) -> None:
    """Serve until the process receives a signal."""
    store = S3Stub(s3_port)
    await store.listen()

    def keep_log(key: str, content: bytes) -> None:
        store.objects[f"/{LOG_BUCKET}/{key}"] = content

    answer = runs()

    async def behave(exchange: Exchange) -> None:
        seconds, is_slow = divmod(int(exchange.params["timeout_ms"]), 1_000)
        if is_slow:
            await asyncio.sleep(seconds)
        await answer(exchange)

    await FakeRunner(behaviour=behave, keep_log=keep_log, port=runner_port).listen()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
