"""A private MySQL or MariaDB server in its own directory, on a free port."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import sqlalchemy as sa

from tests.support.ports import free_port
from tests.support.processes import ENDS_WITH_ITS_PARENT

USER = "tester"
PASSWORD = "tester"
_START_TIMEOUT_S = 120
_MEMORY = Path("/dev/shm")  # noqa: S108 - a parent of private directories
# A server needs 0.2 GB. Memory that is not free here may be needed by other processes.
_ROOM_BYTES = 2 << 30
_STOP_TIMEOUT_S = 20
# Commits survive a crash of the server, which tests cause, but not a crash of the host.
_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=128M",
    "--max-connections=200",
    "--skip-log-bin",
)


@contextmanager
def directory_in_memory() -> Iterator[Path]:
    """Create a directory for a database: in memory if there is room, where nothing waits for the disk."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="database-", dir=_MEMORY if has_room else None) as name:
        yield Path(name)


class DatabaseServer:
    """Runs a server program on an existing data directory.

    Args:
        command: The server's program and its own options.
        directory: Holds `data` and the server's other files.
        options: Options that add to the usual ones or override them.
    """

    def __init__(self, command: Sequence[str], directory: Path, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._directory = directory
        # Only if required: creating the TLS context takes 20 ms per connection, most of its cost.
        self._has_tls = "--require-secure-transport=ON" in (*command, *options)
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            *ENDS_WITH_ITS_PARENT,
            *command,
            *directories(directory),
            f"--socket={directory / 'socket'}",
            f"--pid-file={directory / 'pid'}",
            f"--init-file={self._write_users()}",
            f"--port={self.port}",
            *_OPTIONS,
            *options,
            *run_as(),
        ]

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self._directory / "log").read_text(errors="replace")[-2_000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut the server down cleanly."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Kill the server, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def revive(self) -> None:
        """Start the server again if it is not running, or resume it if it is frozen."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        else:
            self._process.send_signal(signal.SIGCONT)

    def create_schema(self, name: str) -> sa.URL:
        """Create an empty schema; drop one of the same name first."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url_of(name)

    def copy_schema(self, source: str, name: str) -> sa.URL:
        """Create a schema with the tables and rows of another one, and return its URL."""
        url = self.create_schema(name)
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")  # tables are created in the order of their names
            cursor.execute(f"USE {name}")
            cursor.execute(f"SHOW TABLES FROM {source}")
            for (table,) in cursor.fetchall():
                cursor.execute(f"SHOW CREATE TABLE {source}.{table}")
                cursor.execute(cursor.fetchone()[1])
                cursor.execute(f"INSERT INTO {table} SELECT * FROM {source}.{table}")  # noqa: S608 - no input
        return url

    def url_of(self, name: str) -> sa.URL:
        """Return the URL of an existing schema."""
        url = sa.URL.create("mysql+pymysql", USER, PASSWORD, "127.0.0.1", self.port, name)
        return url if self._has_tls else url.update_query_dict({"ssl_disabled": "true"})

    def connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """Return a connection for the test, which commits each statement."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            connect_timeout=10,
            autocommit=True,
            ssl_disabled=not self._has_tls,
        )

    def create_ordinary_user(self, name: str, schema: str) -> None:
        """Create a user with the usual password, with all rights in a schema and none on the server."""
        with closing(self.connect()) as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute(f"GRANT ALL ON `{schema}`.* TO '{name}'@'%'")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse writes of ordinary users during the context."""
        with closing(self.connect()) as admin, admin.cursor() as cursor:
            cursor.execute("SET GLOBAL read_only = 1")
            try:
                yield
            finally:
                cursor.execute("SET GLOBAL read_only = 0")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _write_users(self) -> Path:
        path = self._directory / "users.sql"
        path.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
        )
        return path


def directories(directory: Path) -> list[str]:
    """Return the options for a server's data directory, and for a private one for temporary files."""
    temporary = directory / "temporary"
    temporary.mkdir(exist_ok=True)
    return [f"--datadir={directory / 'data'}", f"--tmpdir={temporary}"]


def run_as() -> list[str]:
    """Return the options with which a server can run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []
