"""podman with a store of its own: it needs no registry, no systemd and no CAP_SYS_RESOURCE."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import PATIENCE_S

_BUILD_TIMEOUT_S = 1_800
_NEEDED = {"podman": "podman", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux"}
# crun refuses to start anything beside a hybrid of both versions of control groups.
_HOLD = "umount --quiet /sys/fs/cgroup/unified; echo ready; exec cat"


class CannotRun(Exception):
    """The machine lacks a part that building and running images takes."""


class Podman:
    """Images, networks, volumes and containers of one directory.

    Args:
        directory: The directory; it grows to some 3 GB.
        process_id: A process in the mount namespace in which podman runs.
    """

    def __init__(self, directory: Path, process_id: int) -> None:
        self._directory = directory
        self._command = [
            *("nsenter", f"--mount=/proc/{process_id}/ns/mnt", "podman", "--log-level=error"),
            *(f"--root={directory}/store", f"--runroot={directory}/run"),
            *(f"--network-config-dir={directory}/networks", f"--volumepath={directory}/volumes"),
            "--events-backend=none",
        ]

    def arguments(self, *words: str | Path) -> list[str]:
        """Return a command line of podman."""
        return [*self._command, *map(str, words)]

    def run(self, *words: str | Path, timeout_s: float = PATIENCE_S, check: bool = True) -> str:
        """Run a command of podman; return its stdout.

        Raises:
            AssertionError: It failed; the message has its stderr.
        """
        ended = subprocess.run(
            self.arguments(*words), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert not check or ended.returncode == 0, f"podman {' '.join(map(str, words))}: {ended.stderr}"
        return ended.stdout.strip()

    def build(self, context: Path, *, tag: str, target: str, file: Path, **arguments: str) -> None:
        """Build an image with a health check, which only Docker's format has."""
        self.run(
            *("build", "--quiet", "--format=docker", "--layers", "--isolation=chroot", "--network=host"),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *(f"--file={file}", f"--target={target}", f"--tag={tag}", context),
            timeout_s=_BUILD_TIMEOUT_S,
        )

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the description of a container or an image."""
        [description] = json.loads(self.run("inspect", name))
        return description

    def address(self, container: str) -> str:
        """Return the address of a container in its network."""
        [network] = self.inspect(container)["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    def is_healthy(self, container: str) -> bool:
        """Run the health check of a container, as systemd would at intervals."""
        ended = subprocess.run(
            self.arguments("healthcheck", "run", container),
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return ended.returncode == 0

    def await_exit(self, container: str) -> int:
        """Wait until a container ends; return its exit code."""
        return int(self.run("wait", container, timeout_s=PATIENCE_S))

    @staticmethod
    def limits() -> Sequence[str]:
        """Return options with limits below this process's own: to set podman's takes CAP_SYS_RESOURCE."""
        return ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")


@contextmanager
def podman(directory: Path) -> Iterator[Podman]:
    """Lend a podman; ends its containers afterwards, and removes all that it stored.

    Raises:
        CannotRun: The machine lacks a part.
    """
    if os.geteuid() != 0:
        raise CannotRun("Images are built as root.")
    missing = {package for command, package in _NEEDED.items() if shutil.which(command) is None}
    if missing:
        raise CannotRun(f"Install what is missing with 'apt-get install {' '.join(sorted(missing))}'.")
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", _HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        lent = Podman(directory, holder.pid)
        try:
            yield lent
        finally:
            lent.run("rm", "--all", "--force", "--time=0", check=False)
            lent.run("network", "prune", "--force", check=False)
            lent.run("volume", "prune", "--force", check=False)
            assert holder.stdin is not None
            holder.stdin.close()


def until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Ask for a condition until it holds.

    Raises:
        AssertionError: It did not for long.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
