"""The service's own commands, which end with the service, even if that is killed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from adapters.local_engine.sandbox.program import SYSTEM_PATH


class OwnCommands:
    """Runs commands of the service's own tables, any number at once, until `stop` is called."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopped

    def run(
        self,
        command: Sequence[str],
        timeout_s: float,
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        nice: int | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command without input; return its exit status and all of its output.

        Args:
            command: The command line.
            timeout_s: The time after which the command is killed, in seconds.
            env: The environment of the command.
            cwd: The working directory; None for the service's.
            nice: The nice value; None for the service's.

        Raises:
            InterruptedError: `stop` was called before.
            OSError: The command cannot be started.
            subprocess.TimeoutExpired: The command took too long.
        """
        setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
        ends_with_us = [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]
        with self._lock:
            if self._is_stopped:
                raise InterruptedError
            process = subprocess.Popen(  # noqa: S603 - a command line of our own table
                [*ends_with_us, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
            )
            self._running.add(process)
        try:
            if nice is not None:
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
            output, _ = process.communicate(timeout=timeout_s)
        finally:
            process.kill()
            process.wait()
            with self._lock:
                self._running.discard(process)
        return subprocess.CompletedProcess(command, process.returncode, output)

    def stop(self) -> None:
        """Kill the running commands and start no more. The calls of `run` return."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.kill()
