"""An object store and runners in one process: `python -m tests.benchmarks.production_servers PORT PORT`.

The runners store the log themselves, as real runners do, and respond at once, except to jobs with one of the
timeouts in `DELAYS_S`.
"""

import asyncio
import sys
from contextlib import suppress

import uvloop

from tests.support.cluster import LOG_BUCKET
from tests.support.runner import Exchange, FakeRunner, runs
from tests.support.s3_stub import S3Stub

# A timeout of a job in ms, and the seconds after which its response comes.
BRIEF_MS, SLOW_MS = 1_001, 2_001
DELAYS_S = {BRIEF_MS: 0.05, SLOW_MS: 2.0}


async def serve(s3_port: int, runner_port: int) -> None:
    """Serve until the process receives a signal."""
    store = S3Stub(s3_port)
    await store.listen()

    def keep_log(key: str, content: bytes) -> None:
        store.objects[f"/{LOG_BUCKET}/{key}"] = content

    answer = runs()

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(DELAYS_S.get(int(exchange.params["timeout_ms"]), 0))
        await answer(exchange)

    await FakeRunner(behaviour=behave, keep_log=keep_log, port=runner_port).listen()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
