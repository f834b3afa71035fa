import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adapters.local_engine.confinement import Confinement, Launch
from adapters.local_engine.program import Program
from adapters.local_engine.supervisor.protocol import Order
from adapters.local_engine.work_area import WorkArea


class PlainChild(Confinement):
    """An ordinary child process in a directory of its own: limited, and not isolated.

    It sees what the service's user sees: files, network and processes. For development only.
    """

    def __init__(self, area: WorkArea) -> None:
        self._area = area

    @property
    def name(self) -> str:
        """What it is called."""
        return "plain child process"

    @property
    def is_isolated(self) -> bool:
        """It is not."""
        return False

    def limits(self) -> Mapping[str, str]:
        """Say which limits an ordinary child process can have."""
        return {
            "timeout_ms": "supervisor: the process group is killed",
            "cpu_time_ms": "RLIMIT_CPU: of each process, in whole seconds",
            "memory_mb": "RLIMIT_AS: of each process; the heap's size for Node.js, TypeScript, Java and Go",
            "processes": "not enforced",
            "open_files": "RLIMIT_NOFILE: of each process",
            "file_size_mb": "RLIMIT_FSIZE",
            "disk_mb": "not enforced",
            "files": "not enforced",
            "output_mb": "engine: the process group is killed",
        }

    @contextmanager
    def prepare(self, program: Program, build_timeout_ms: int) -> Iterator[Launch]:
        """Make a private directory with the source in it."""
        with self._area.directory() as directory:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(directory / program.source, flags, 0o600), "wb") as source:
                source.write(program.code)
            yield Launch(
                Order(
                    argv=program.argv,
                    env={"HOME": str(directory), "TMPDIR": str(directory), **program.env},
                    directory=str(directory),
                    timeout_ms=program.limits.timeout_ms,
                    build_timeout_ms=build_timeout_ms if program.has_build else None,
                    rlimits=program.build_rlimits if program.has_build else program.rlimits,
                )
            )

    def check(self) -> None:
        """Nothing is needed that the operating system may lack."""
