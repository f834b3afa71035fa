"""A booted virtual machine: commands run in it, in any kind of session, any number at once."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from tests.vm.image import DIRECTORY, PROJECT, CannotRun, Image, kept_image
from tests.vm.sessions import Session

_BOOTS = DIRECTORY / "boots"
# A build of an ordinary user's may exceed its 1 GiB for a moment before that is noticed.
_MEMORY_MB = 2500
_BOOTED_WITHIN_S = 300
_OFF_WITHIN_S = 60
_LOOK_EVERY_S = 0.05
# In mount and process namespaces of its own: $1 the directory of the kernel, $2 of the image, $3 of this
# boot, $4 the project. The kernel keeps the memory of the machine in /tmp.
_BOOT = f"""
set -e
mount --rbind /dev $1/dev
mount -t proc proc $1/proc
mount -t tmpfs -o size={_MEMORY_MB + 100}m tmpfs $1/tmp
mount --bind $2 $1/image
mount -o remount,bind,ro $1/image
mount --bind $3 $1/share
mount --bind $4 $1/share/project
mount -o remount,bind,ro $1/share/project
exec chroot $1 /usr/bin/linux.uml mem={_MEMORY_MB}M ubd0=/share/disk,/image/disk root=/dev/ubda rw quiet \\
    systemd.show_status=0 panic=-1 seccomp=auto con=null con0=null,fd:1 ssl=null ssl0=fd:0
"""
_SCRIPT = """\
cd /host/project
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONPYCACHEPREFIX=/var/tmp/pycache-$(id -u) {variables}
exec timeout --kill-after=10 {timeout_s} {command}
"""


class NotRunning(Exception):
    """A virtual machine has ended, or has never come up; the message is a sentence, begun by others."""


@dataclass(frozen=True)
class Machine:
    """A virtual machine, by the directory of its boot, which it has at /host."""

    directory: Path

    @property
    def is_running(self) -> bool:
        try:
            os.close(self._open_wake())
        except OSError:
            return False
        return True

    def run(
        self,
        session: Session,
        command: Sequence[str],
        *,
        variables: dict[str, str] | None = None,
        timeout_s: int = 600,
        stdout: BinaryIO = sys.stdout.buffer,
        stderr: BinaryIO = sys.stderr.buffer,
    ) -> int:
        """Run a command in a session of a kind, copy its output while it comes, and return its exit status.

        It ends after a time by SIGTERM, with the exit status 124.

        Raises:
            NotRunning: The machine has ended before the command.
        """
        if not self.is_running:
            raise NotRunning(f"no virtual machine {self.directory.name} runs.")
        request = self.directory / "requests" / uuid4().hex
        request.mkdir()
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items())
        script = _SCRIPT.format(variables=words, timeout_s=timeout_s, command=shlex.join(command))
        (request / "script").write_text(script)
        inside = f"/host/requests/{request.name}/script"
        (request / "command").write_text(json.dumps(session.steps(["/bin/sh", inside])))
        for name in ("stdout", "stderr"):
            (request / name).touch()
        with (request / "stdout").open("rb") as out, (request / "stderr").open("rb") as err:
            self._wake(request.name)
            while True:
                ended = (request / "status").exists()
                _copy(out, stdout)
                _copy(err, stderr)
                if ended:
                    break
                if not self.is_running:
                    raise NotRunning(f"{self.directory.name} has ended before the command.\n{self.console()}")
                time.sleep(_LOOK_EVERY_S)
        status = int((request / "status").read_text())
        shutil.rmtree(request)
        return status

    def console(self) -> str:
        return (self.directory / "console").read_text(errors="replace")

    def stop(self) -> None:
        """Switch the machine off, and remove its directory."""
        if self.is_running:
            self._wake("off")
        until = time.monotonic() + _OFF_WITHIN_S
        while self.is_running and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        if self.is_running:
            os.kill(int((self.directory / "pid").read_text()), 9)
        shutil.rmtree(self.directory)

    def _wake(self, line: str) -> None:
        try:
            wake = self._open_wake()
        except OSError as error:
            raise NotRunning(f"no virtual machine {self.directory.name} runs.") from error
        with os.fdopen(wake, "wb") as file:
            file.write(f"{line}\n".encode())

    def _open_wake(self) -> int:
        """Open the pipe that the machine reads from; its end is the machine's."""
        return os.open(self.directory / "wake", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    if text := source.read():
        target.write(text)
        target.flush()


def boot(name: str, *, outlives_us: bool) -> Machine:
    """Boot a machine and wait until it takes commands; removes an older one of that name that has ended.

    Raises:
        CannotRun: The machine outside lacks a thing that it takes, or one of that name runs.
        NotRunning: It did not come up.
    """
    image = kept_image()
    _remove_ended()
    machine = Machine(_BOOTS / name)
    if machine.is_running:
        raise CannotRun(f"a virtual machine {name} runs; stop it with 'python -m tests.vm stop {name}'.")
    shutil.rmtree(machine.directory, ignore_errors=True)
    for path in ("project", "requests"):
        (machine.directory / path).mkdir(parents=True)
    os.mkfifo(machine.directory / "wake")
    process = _start(image, machine.directory, outlives_us=outlives_us)
    until = time.monotonic() + _BOOTED_WITHIN_S
    while not (machine.directory / "ready").exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise NotRunning(f"it did not come up: {_why_not()}\n{machine.console()}")
        time.sleep(_LOOK_EVERY_S)
    return machine


def _remove_ended() -> None:
    """Remove machines that ended unasked some time ago, such as with a run that was interrupted."""
    for path in _BOOTS.glob("*"):
        with suppress(FileNotFoundError):  # another process removes it
            is_new = time.time() - path.stat().st_mtime < _BOOTED_WITHIN_S
            if not is_new and not Machine(path).is_running:
                shutil.rmtree(path)


@contextmanager
def booted(purpose: str) -> Iterator[Machine]:
    """Boot a machine that ends with this block, or with this process."""
    machine = boot(f"{purpose}-{os.getpid()}", outlives_us=False)
    try:
        yield machine
    finally:
        machine.stop()


def running() -> list[str]:
    """Return the names of the machines that run."""
    return [path.name for path in sorted(_BOOTS.glob("*")) if Machine(path).is_running]


def attach(name: str) -> Machine:
    return Machine(_BOOTS / name)


def _start(image: Image, directory: Path, *, outlives_us: bool) -> subprocess.Popen[bytes]:
    pdeathsig = [] if outlives_us else ["setpriv", "--pdeathsig", "KILL", "--"]
    wake = os.open(directory / "wake", os.O_RDWR)
    try:
        with (directory / "console").open("wb") as console:
            process = subprocess.Popen(
                [
                    *(*pdeathsig, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--"),
                    *("sh", "-c", _BOOT, "sh", image.kernel, image.disk.parent, directory, PROJECT),
                ],
                env={"HOME": "/share", "TMPDIR": "/tmp", "PATH": os.defpath + ":/usr/sbin:/sbin"},  # noqa: S108 - its own
                stdin=wake,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=outlives_us,
            )
    finally:
        os.close(wake)
    (directory / "pid").write_text(str(process.pid))
    return process


def _why_not() -> str:
    ptrace = Path("/proc/sys/kernel/yama/ptrace_scope")
    if ptrace.exists() and ptrace.read_text().strip() == "3":
        return (
            "user-mode Linux needs ptrace, and kernel.yama.ptrace_scope=3 forbids it. Its console ends with"
        )
    return "its console ends with"
