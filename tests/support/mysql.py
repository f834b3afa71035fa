"""Oracle's MySQL, as Debian packages it, unpacked into a directory and run from there.

Debian's stable release has no MySQL, its development release has. The package and all that it needs are
fetched by apt-get on lists of its own and unpacked beside each other; the program is run by the loader among
them. Nothing of it is installed, and nothing of the system is touched.

`python -m tests.support.mysql` fetches it, as `make test` does; tests use it if it is there. Set
SERVICE_SERVER_TEST_MYSQL to keep it elsewhere than in the cache directory.
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
    """Return where the packages are, or would be, unpacked."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("SERVICE_SERVER_TEST_MYSQL", cache / "service-server-tests" / "mysql"))


def find_server() -> list[str] | None:
    """Return the command that runs the server, if it is there."""
    libraries = root() / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    program = root() / "usr" / "sbin" / "mysqld"
    loader = next(iter(libraries.glob("ld-linux-*.so.*")), None)
    if loader is None or not program.exists():
        return None
    messages = root() / "usr" / "share" / "mysql"
    return [
        *(str(loader), "--library-path", str(libraries), str(program)),
        *("--no-defaults", f"--lc-messages-dir={messages}", "--mysqlx=OFF", "--secure-file-priv="),
        "--performance-schema=OFF",  # what it counts takes 7 % of the server's processor time
    ]


def start_server(command: list[str], directory: Path) -> DatabaseServer:
    """Make a data directory, or copy the one that is made already, and start a server on it."""
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
    (directory / "data" / "auto.cnf").unlink()  # the identity of a server, which makes one that lacks it


def _made() -> Path:
    """Return where there is a data directory of these packages' server, to be copied."""
    return root() / "made"


def fetch() -> None:
    """Download the packages and unpack them, all or none.

    Raises:
        OSError, subprocess.SubprocessError: They cannot be had here.
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
    """Give apt lists, a cache and a record of installed packages (none) of its own."""
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
    """Return the Debian archive that this machine uses."""
    listing = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    archives = [line.split()[1] for line in lines if line.startswith("Debian ")]
    if not archives:
        raise FileNotFoundError("this machine has no Debian archive")
    return archives[0]


def main() -> None:
    """Fetch the missing files. A suite without them is still worth running, so a failure is no error."""
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
