"""The service as in production, on this host: real servers and many processes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa

from tests.support import mariadb
from tests.support.database_server import PASSWORD, USER, DatabaseServer
from tests.support.databases import migrated_schema
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.redis_server import RedisServer, redis_server
from tests.support.runner import FakeRunner
from tests.support.s3_stub import S3Stub
from tests.support.service import ServiceProcess, answers_at, is_ready, says

CODE_BUCKET = "service-code"
LOG_BUCKET = "service-logs"
_MISSING = "MariaDB is not installed: apt-get install mariadb-server-core"


@dataclass(frozen=True)
class Servers:
    """The dependencies: server processes to kill and freeze, and a store and runners that fail on demand."""

    database: DatabaseServer
    redis: RedisServer
    store: S3Stub
    runner: FakeRunner


@contextmanager
def running_servers(directory: Path) -> Iterator[Servers]:
    """Run a database, a Redis, an object store and the runners, on free ports."""
    program = mariadb.find_server()
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_MISSING)
    with ExitStack() as running:
        store = running.enter_context(S3Stub())
        runner = running.enter_context(FakeRunner())
        redis = running.enter_context(redis_server())
        database = mariadb.start_server(program, directory)
        running.callback(database.stop)
        yield Servers(database, redis, store, runner)


class Cluster:
    """Processes of the service on one set of servers. As a context, it stops everything that it started.

    Args:
        directory: Holds the processes' logs. Its name is also the schema's name.
        redis_database: The number of the Redis database; each cluster needs a different one.
        settings: Environment variables besides the servers' addresses.
    """

    def __init__(self, directory: Path, servers: Servers, redis_database: int = 0, **settings: str) -> None:
        directory.mkdir(exist_ok=True)
        self.servers = servers
        self.schema = directory.name
        self.environment = self._environment(directory, redis_database) | settings
        self.apis: list[ServiceProcess] = []
        self.urls: list[str] = []
        self.workers: list[ServiceProcess] = []
        self._directory = directory
        self._processes: list[ServiceProcess] = []
        url = servers.database.create_schema(self.schema)
        self.database = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    def __enter__(self) -> Self:
        migrated_schema(self.servers.database, self.schema)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.thaw()
            process.terminate()
        for process in self._processes:
            process.stop()

    def start(self, *, apis: int, workers: int) -> None:
        """Start more APIs and workers, all at once."""
        _start_all([self._new_api() for _ in range(apis)] + [self._new_worker() for _ in range(workers)])

    def heal(self) -> None:
        """Start all servers and processes that are not running."""
        self.servers.database.revive()
        self.servers.redis.revive()
        for process in self._processes:
            process.thaw()
        _start_all([process for process in (*self.apis, *self.workers) if not process.is_alive])

    def wait_until_ready(self) -> None:
        """Wait until every API reaches all of its dependencies."""
        for url in self.urls:
            assert eventually(lambda url=url: is_ready(url)), f"{url} is not ready"

    def run(self, *arguments: str) -> str:
        """Run a command of the service, and return its output."""
        process = self.command(*arguments)
        process.launch()
        assert process.wait() == 0, process.output
        return process.output

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        return rows(self.database, statement, **parameters)

    def command(self, *arguments: str, is_ready: str = "") -> ServiceProcess:
        """Return a command of the service, not started yet. It is ready once it has written a text."""
        log = self._directory / f"{len(self._processes)}-{arguments[0]}.log"
        process = ServiceProcess(arguments, self.environment, log, says(is_ready))
        self._processes.append(process)
        return process

    def _new_api(self) -> ServiceProcess:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        log = self._directory / f"{len(self._processes)}-serve.log"
        process = ServiceProcess(["serve", "--port", str(port)], self.environment, log, answers_at(url))
        self._processes.append(process)
        self.apis.append(process)
        self.urls.append(url)
        return process

    def _new_worker(self) -> ServiceProcess:
        process = self.command("worker", is_ready="Working on")
        self.workers.append(process)
        return process

    def _environment(self, directory: Path, redis_database: int) -> dict[str, str]:
        servers = self.servers
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "ENVIRONMENT": "production",
            "AWS_RDS_HOST": "127.0.0.1",
            "AWS_RDS_PORT": str(servers.database.port),
            "AWS_RDS_DBNAME": self.schema,
            "AWS_RDS_USERNAME": USER,
            "AWS_RDS_PASSWORD": PASSWORD,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CODE_BUCKET": CODE_BUCKET,
            "AWS_LOG_BUCKET": LOG_BUCKET,
            "AWS_ENDPOINT_URL": servers.store.url,
            "SERVICE_SERVER_REDIS_URL": f"{servers.redis.url.removesuffix('/0')}/{redis_database}",
            "EXECUTION_ENGINE_BASE_URL": servers.runner.url,
        }


def rows(database: sa.Engine, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]


def _start_all(processes: Sequence[ServiceProcess]) -> None:
    for process in processes:
        process.launch()
    for process in processes:
        process.wait_until_ready()
