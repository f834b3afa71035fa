"""Oracle's MySQL from Debian's packages, unpacked into a directory and run from there.

Debian's stable release has no MySQL, but its development release has. apt-get downloads the package and its
dependencies with separate package lists, and they are unpacked into one directory; the loader from that
directory runs the program. Nothing is installed, and the system is not changed.

`python -m tests.support.mysql` downloads it, as `make test` does; tests use it if it is there. Set
SERVICE_SERVER_TEST_MYSQL to use another directory than the cache directory.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.database_server import DatabaseServer, directories, run_as

MISSING = "Oracle's MySQL is not here: python -m tests.support.mysql"
_PACKAGE = "mysql-server-core"
_FETCH_TIMEOUT_S = 90
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def root() -> Path:
    """Return the directory into which the packages are unpacked."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("SERVICE_SERVER_TEST_MYSQL", cache / "service-server-tests" / "mysql"))


def find_server() -> list[str] | None:
    """Return the command that runs the server, if it is unpacked."""
    libraries = root() / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    program = root() / "usr" / "sbin" / "mysqld"
    loader = next(iter(libraries.glob("ld-linux-*.so.*")), None)
    if loader is None or not program.exists():
        return None
    messages = root() / "usr" / "share" / "mysql"
    return [
        *(str(loader), "--library-path", str(libraries), str(program)),
        *("--no-defaults", f"--lc-messages-dir={messages}", "--mysqlx=OFF", "--secure-file-priv="),
        "--performance-schema=OFF",  # its counters take 7 % of the server's processor time
    ]


def start_server(command: list[str], directory: Path) -> DatabaseServer:
    """Create a data directory, or copy an existing one, and start a server on it."""
    if _made().is_dir():
        shutil.copytree(_made() / "data", directory / "data")
    else:
        _make_data(command, directory)
    server = DatabaseServer(command, directory)
    server.start()
    return server


def _make_data(command: list[str], directory: Path) -> None:
    initialize = [*command, "--initialize-insecure", *directories(directory), *run_as()]
    subprocess.run(initialize, check=True, capture_output=True)
    (directory / "data" / "auto.cnf").unlink()  # the identity; a server without one creates it


def _made() -> Path:
    """Return the path of a prepared data directory for this server, which tests copy."""
    return root() / "made"


def fetch() -> None:
    """Download and unpack the packages, all or none.

    Raises:
        OSError, subprocess.SubprocessError: The packages are not available here.
    """
    root().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root().parent) as name:
        directory = Path(name)
        environment = {**os.environ, "APT_CONFIG": str(_configure(directory)), "LC_ALL": "C"}
        for command in (
            ["update"],
            ["install", "--yes", "--no-install-recommends", "--download-only", _PACKAGE],
        ):
            _run("apt-get", "--quiet", *command, environment=environment)
        unpacked = directory / "unpacked"
        for package in sorted((directory / "cache" / "archives").glob("*.deb")):
            _run("dpkg-deb", "--extract", str(package), str(unpacked))
        unpacked.rename(root())


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=_FETCH_TIMEOUT_S)


def _configure(directory: Path) -> Path:
    """Give apt separate package lists, a cache, and a record of installed packages, which is empty."""
    for name in ("state/lists/partial", "cache/archives/partial", "parts"):
        (directory / name).mkdir(parents=True)
    (directory / "state" / "status").touch()
    (directory / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_archive()} sid main\n")
    configuration = directory / "apt.conf"
    configuration.write_text(
        f'Dir::State "{directory}/state";\n'
        f'Dir::State::status "{directory}/state/status";\n'
        f'Dir::Cache "{directory}/cache";\n'
        f'Dir::Etc::sourcelist "{directory}/sources.list";\n'
        f'Dir::Etc::sourceparts "{directory}/parts";\n'
        f'Dir::Etc::preferencesparts "{directory}/parts";\n'
        'APT::Sandbox::User "";\n'
    )
    return configuration


def _archive() -> str:
    """Return the Debian archive that this host uses."""
    listing = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    archives = [line.split()[1] for line in lines if line.startswith("Debian ")]
    if not archives:
        raise FileNotFoundError("this machine has no Debian archive")
    return archives[0]


def main() -> None:
    """Download missing packages. A failure is no error, because the other tests can still run."""
    try:
        if find_server() is None:
            fetch()
        command = find_server()
        if command is not None and not _made().is_dir():
            with tempfile.TemporaryDirectory(dir=root().parent) as name:
                directory = Path(name, "made")
                directory.mkdir()
                _make_data(command, directory)
                directory.rename(_made())
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"Oracle's MySQL cannot be had here, so nothing is tested on it: {error}\n")


if __name__ == "__main__":
    main()
