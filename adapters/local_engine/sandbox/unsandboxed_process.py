"""No isolation: an ordinary child process with limits."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adapters.local_engine.sandbox import reaper
from adapters.local_engine.sandbox.isolation import Isolation, Launch
from adapters.local_engine.sandbox.launch_script import launch_script
from adapters.local_engine.sandbox.program import (
    SYSTEM_PATH,
    Program,
    build_limits,
    build_rlimits,
    program_limits,
)
from adapters.local_engine.sandbox.supervisor.packed_files import unpack
from adapters.local_engine.sandbox.supervisor.protocol import SpawnRequest
from adapters.local_engine.sandbox.work_area import WorkArea
from application.errors import DependencyUnavailable
from domain.catalogue.text import Text, text


class UnsandboxedProcess(Isolation):
    """Runs programs as ordinary child processes in private directories, with limits but without isolation.

    Programs see everything that the service's user sees: files, network and processes. For development only.
    """

    name = "plain child process"
    is_isolated = False
    control_groups = text(
        "groups.unused",
        cause=text("groups.explained", cause=text("groups.not_isolated"), remedy=text("groups.isolate")),
    )

    def __init__(self, area: WorkArea) -> None:
        self._area = area
        self._reaper: str | None = None
        self._setpriv = shutil.which("setpriv", path=SYSTEM_PATH)

    def limits(self) -> Mapping[str, Text]:
        """Return how each limit is enforced for an ordinary child process."""
        return {
            "timeout_ms": text("engine.kills_group"),
            "cpu_time_ms": text("engine.cpu_of_tree"),
            "build_timeout_ms": text("engine.kills_group"),
            "build_cpu_time_ms": text("engine.cpu_of_tree"),
            "memory_mb": text("engine.memory_of_tree"),
            "processes": text("engine.not_enforced"),
            "open_files": text("engine.open_files"),
            "file_size_mb": text("engine.file_size"),
            "disk_mb": text("engine.not_enforced"),
            "files": text("engine.not_enforced"),
            "output_mb": text("engine.output_kills_group"),
        }

    @contextmanager
    def prepare(self, program: Program) -> Iterator[Launch]:
        """Make a private directory with the source or the packed files."""
        with self._area.directory() as directory:
            if program.files is not None:
                unpack(program.files, str(directory))
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                with os.fdopen(os.open(directory / program.source, flags, 0o600), "wb") as source:
                    source.write(program.code)
            yield Launch(
                SpawnRequest(
                    argv=[str(self._setpriv), "--pdeathsig", "KILL", "--", *self._command_line(program)],
                    env={"HOME": str(directory), "TMPDIR": str(directory), **program.env},
                    directory=str(directory),
                    limits=program_limits(program, program.limits.processes),
                    build_limits=build_limits(program) if program.build else None,
                    keeps_directory=program.wanted is not None,
                    reports_usage=program.reports_usage,
                ),
                program.descriptors,
            )

    def open(self) -> None:
        """Make the parent of the private directories."""
        if self._setpriv is None:
            raise DependencyUnavailable("engine", text("engine.no_setpriv"))
        try:
            self._area.open()
            self._reaper = _runnable(reaper.install(self._area.path.parent))
        except OSError as error:
            cause = text("engine.unusable_directory", cause=str(error.strerror))
            raise DependencyUnavailable("engine", cause) from error

    def _command_line(self, program: Program) -> list[str]:
        return launch_script(
            program.build,
            program.command,
            program.rlimits,
            build_rlimits=build_rlimits(program.limits.build_cpu_time_ms),
            variables=program.settings,
            reaper=self._reaper,
        )

    def close(self) -> None:
        """Remove the parent of the private directories."""
        self._area.close()


def _runnable(file: Path | None) -> str | None:
    """Return the path of a file, or None if its file system is mounted with noexec."""
    return str(file) if file is not None and os.access(file, os.X_OK) else None
