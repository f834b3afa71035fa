"""CDS archives: with one, a compiler need not load and verify its own classes in each build (JEP 350)."""

import hashlib
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock, Thread

from adapters.local_engine.sandbox.cpu_affinity import allow_cpus
from adapters.local_engine.sandbox.files import sealed_copy
from adapters.local_engine.sandbox.own_commands import OwnCommands
from adapters.local_engine.sandbox.program import ENVIRONMENT
from adapters.local_engine.sandbox.work_area import WorkArea

ARCHIVE_FILE = "archive"
_TIMEOUT_S = 120
_LEAST_URGENT = 19
_AGAIN_AFTER_S = 300
_NEVER = float("inf")

_log = logging.getLogger("service_server.local_engine")


class CdsArchive:
    """The CDS archive of one compiler, made in the background on first use and kept across restarts.

    A build reads a sealed copy in memory, so that no program can change the compiler of the next. The file
    name contains digests of the inputs and the content, so an archive of another compiler is not used, nor a
    damaged one, which would crash the compiler.

    Args:
        name: The prefix of the file name.
        command: The command line that compiles the sample and writes ARCHIVE_FILE.
        sample: A program whose compilation loads the classes that builds need.
        directory: The directory of the file. Only this service may write to it.
    """

    def __init__(self, name: str, command: Sequence[str], sample: Path, directory: Path) -> None:
        self._prefix = name
        self._directory = directory
        self._sample = sample
        self._command = command
        self._processors = os.sched_getaffinity(0)
        self._lock = Lock()
        self._identity = ""
        self._again_at = _NEVER
        self._copy: int | None = None
        self._thread: Thread | None = None
        self._commands = OwnCommands()

    @contextmanager
    def opened(self) -> Iterator[int | None]:
        """Open the archive for one build; yield None if there is none yet. Never waits for the archive."""
        with self._lock:
            self._look()
            descriptor = None if self._copy is None else os.dup(self._copy)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def close(self) -> None:
        """Release the archive; stop making one, and wait until its processes and thread have ended."""
        with self._lock:
            self._commands.stop()
            self._hold(None)
            thread = self._thread
        if thread is not None:
            thread.join()

    def _look(self) -> None:
        """Find the archive of the compiler as it is installed now, or start to make it."""
        identity = self._identify()
        is_due = identity != self._identity or time.monotonic() >= self._again_at
        if self._commands.is_stopped or not is_due:
            return
        self._identity, self._again_at = identity, _NEVER
        self._hold(self._find(identity))
        if self._copy is None:
            thread = Thread(target=self._make, args=(identity,), name="build-archive", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no thread can be started; builds need none
                self._make_later(error)
            else:
                self._thread = thread

    def _identify(self) -> str:
        """Return a digest of the compiler's files, its command line and the sample."""
        program = Path(self._command[0]).resolve()
        files = [program, *program.parents[1].glob("lib/modules"), self._sample]
        parts = [*self._command, *map(_state, files)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def _name(self, identity: str, digest: str) -> str:
        return f"{self._prefix}-{identity}-{digest}.archive"

    def _find(self, identity: str) -> int | None:
        for path in self._directory.glob(self._name(identity, "*")):
            with path.open("rb") as file:
                copy = sealed_copy(file)
            if path.name == self._name(identity, _digest(copy)):
                return copy
            os.close(copy)
            _log.warning("%s is damaged and will be recreated", path)
        return None

    def _make(self, identity: str) -> None:
        area = WorkArea(self._directory)
        try:
            area.open()
            with area.directory() as directory:
                made = self._run_compiler(directory)
                copy = self._keep(made, identity)
        except (OSError, subprocess.SubprocessError) as error:
            self._make_later(error)
            return
        finally:
            area.close()
        with self._lock:
            self._hold(copy)
            if self._commands.is_stopped or identity != self._identity:
                self._hold(None)

    def _make_later(self, error: Exception) -> None:
        if not self._commands.is_stopped:
            _log.warning("no class data sharing archive for %s, builds stay slow: %s", self._prefix, error)
        self._again_at = time.monotonic() + _AGAIN_AFTER_S

    def _run_compiler(self, directory: Path) -> Path:
        """Run the compiler to write its archive. A compile error in the sample is not a failure."""
        shutil.copy(self._sample, directory)
        allow_cpus(self._processors)
        self._commands.run(
            self._command,
            _TIMEOUT_S,
            nice=_LEAST_URGENT,
            cwd=directory,
            env={**ENVIRONMENT, "HOME": str(directory)},
        )
        return directory / ARCHIVE_FILE

    def _keep(self, made: Path, identity: str) -> int:
        """Replace the previous archives; return a copy of the new one."""
        with ExitStack() as on_failure:
            with made.open("rb") as file:
                copy = sealed_copy(file)
            on_failure.callback(os.close, copy)
            for other in self._directory.glob(self._name("*", "*")):
                other.unlink(missing_ok=True)
            made.rename(self._directory / self._name(identity, _digest(copy)))
            on_failure.pop_all()
        return copy

    def _hold(self, copy: int | None) -> None:
        """Close the current copy and replace it."""
        if self._copy is not None:
            os.close(self._copy)
        self._copy = copy


def _state(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _digest(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
