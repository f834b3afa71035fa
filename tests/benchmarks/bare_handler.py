"""The yardstick: a Litestar handler with one INSERT and COMMIT.

`python -m tests.benchmarks.bare_handler DATABASE_URL PORT`.
"""

import asyncio
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
import uvicorn
from litestar import Litestar, post

THREADS = 32


def build(engine: sa.Engine) -> Litestar:
    """Build the application and create its table."""
    table = sa.Table(
        "bare",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100)),
        sa.Column("content", sa.Text),
    )
    table.create(engine)
    statement = sa.insert(table)

    @post("/insert", status_code=200, sync_to_thread=True)
    def insert() -> dict[str, int]:
        with engine.begin() as connection:
            connection.execute(statement, {"name": "bare", "content": "x" * 500})
        return {"inserted": 1}

    async def take_threads() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))

    return Litestar([insert], openapi_config=None, logging_config=None, on_startup=[take_threads])


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=256) as listener:
        engine = sa.create_engine(sys.argv[1], pool_size=THREADS, max_overflow=0)
        config = uvicorn.Config(build(engine), access_log=False, log_config=None)
        uvicorn.Server(config).run([listener])
