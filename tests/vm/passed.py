"""The checks of a commit that have passed, kept so that a run that was interrupted goes on where it was."""

import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Lock

from tests.vm.image import DIRECTORY, PROJECT

_DIRECTORY = DIRECTORY / "passed"


class PassedChecks:
    """The checks of one commit that have passed, by kind of session.

    Args:
        file: A line for each; None keeps none.

    Attributes:
        before: Those of earlier runs.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = Lock()
        self.before: frozenset[tuple[str, ...]] = frozenset()
        if file is not None and file.exists():
            self.before = frozenset(tuple(line.split()) for line in file.read_text().splitlines())

    def add(self, kind: str, check: str) -> None:
        """Keep a check that has passed."""
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self._file.open("a") as file:
            file.write(f"{kind} {check}\n")

    def forget(self) -> None:
        """Remove all of them."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def passed_checks(*, anew: bool) -> PassedChecks:
    """Return those of the commit that is checked out; none are kept of files that were changed since.

    Args:
        anew: Whether earlier ones are forgotten.
    """
    with suppress(OSError, subprocess.CalledProcessError):  # no git, or no repository
        if not _git("status", "--porcelain"):
            file = _DIRECTORY / _git("rev-parse", "HEAD")
            if anew:
                file.unlink(missing_ok=True)
            return PassedChecks(file)
    return PassedChecks(None)


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
