"""Commands of the service's own, beside programs: they end with the service, however that ends."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from adapters.local_engine.sandbox.program import SYSTEM_PATH


class OwnCommands:
    """Runs commands of the service's own tables, any number at once, until it is stopped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether no more commands are run."""
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
        """Run a command with no input, and return its exit status and all of its output.

        Args:
            command: The command line.
            timeout_s: The time after which it is killed, in seconds.
            env: Its environment.
            cwd: Its working directory, if it is not the service's.
            nice: How much other processes come before it (nice(2)), if that is not as for the service.

        Raises:
            InterruptedError: This was stopped before.
            OSError: The command cannot be started.
            subprocess.TimeoutExpired: It took too long.
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
        """Kill the commands that run, and start no other one; their callers see them end."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.kill()
