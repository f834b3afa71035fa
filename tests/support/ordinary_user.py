"""Running the engine from root as an ordinary user: a copy of its code, and command lines."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import jeepney

NOBODY = 65_534
_ROOT = Path(__file__).parents[2]
_CODE = (
    "domain",
    "application",
    "adapters/__init__.py",
    "adapters/common",
    "adapters/local_engine",
)
_TESTS = (
    *("tests/__init__.py", "tests/attack", "tests/contract/__init__.py", "tests/contract/engine_kit"),
    *("tests/support/__init__.py", "tests/support/memory", "tests/support/processes.py"),
    *("tests/support/warm_engine.py", "tests/support/engine_process.py"),
)
_FIRST_ID = 1_000_000


def copy_engine(directory: Path) -> None:
    """Copy the engine, its tests and its library to a directory that all users may read."""
    shutil.copytree(Path(jeepney.__file__).parent, directory / "jeepney")
    for name in (*_CODE, *_TESTS):
        source, copy = _ROOT / name, directory / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)


def command(module: str, *options: str) -> list[str]:
    """Return the command line that runs a module as an ordinary user, with a Python that all users may run.

    Args:
        module: The module's name; it needs only the standard library.
        options: Options of setpriv.
    """
    user = str(NOBODY)
    become = ("setpriv", "--reuid", user, "--regid", user, "--clear-groups", *options, "--")
    return [*become, "/usr/bin/python3", "-B", "-m", module]


def with_subordinate_ids(command: Sequence[str], directory: Path, count: int = 65_536) -> list[str]:
    """Give that user subordinate ids, in a separate mount namespace.

    Args:
        command: A command line.
        directory: A directory that all users may read.
        count: The number of ids.
    """
    ranges = directory / "ranges"
    ranges.write_text(f"{NOBODY}:{_FIRST_ID}:{count}\n")
    mounts = "".join(f"mount --bind {ranges} /etc/{name} && " for name in ("subuid", "subgid"))
    return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', "sh", *command]
