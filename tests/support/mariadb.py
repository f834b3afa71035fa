"""Debian's MariaDB, as a private server.

Its packages are mariadb-server-core and mariadb-client-core, which start no service.
"""

import shutil
import subprocess
from pathlib import Path

from tests.support.database_server import DatabaseServer, run_as

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_server() -> str | None:
    """Return where the server's program is, if it is installed."""
    return shutil.which("mariadbd", path=_PATH)


def start_server(program: str, directory: Path) -> DatabaseServer:
    """Make a data directory and start a server on it."""
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={directory / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *run_as(),
        ],
        check=True,
        capture_output=True,
    )
    server = DatabaseServer([program, "--no-defaults"], directory)
    server.start()
    return server
