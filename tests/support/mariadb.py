"""Debian's MariaDB (package mariadb-server-core, which starts no service) as a private server."""

import shutil
import subprocess
from pathlib import Path

from tests.support.database_server import DatabaseServer, directories, run_as

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHARED = ("/usr/share/mysql", "/usr/share/mariadb")


def find_server() -> str | None:
    """Return the path of the server's program, if it is installed."""
    return shutil.which("mariadbd", path=_PATH)


def start_server(program: str, directory: Path, *options: str) -> DatabaseServer:
    """Create a data directory and start a server on it, with options besides the usual ones."""
    (directory / "data" / "mysql").mkdir(parents=True)
    # Does the work of mariadb-install-db, without the help texts and without the client package that it
    # needs.
    made = subprocess.run(
        [program, "--no-defaults", "--bootstrap", *directories(directory), *run_as()],
        input="USE mysql;\n" + _system_tables(),
        text=True,
        check=False,
        capture_output=True,
    )
    if made.returncode:
        raise RuntimeError(made.stderr[-2_000:])
    server = DatabaseServer([program, "--no-defaults"], directory, options)
    server.start()
    return server


def _system_tables() -> str:
    """Return the statements that create the server's system tables, from the server's package."""
    found = [path for shared in _SHARED for path in Path(shared).glob("m*_system_tables.sql")]
    return found[0].read_text()
