"""The program on a pseudo-terminal of a given size."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.processes import PATIENCE_S
from tests.support.service import PROGRAM, ROOT

_READ_BYTES = 1 << 16


@dataclass
class Terminal:
    """A terminal, its program, and everything that it has shown."""

    fd: int
    process: subprocess.Popen[bytes]
    shown: str = ""

    def read_until(self, text: str) -> str:
        """Read until a text is shown; return everything shown so far."""
        while text not in self.shown:
            assert self._read(), f"the program has ended: {self.shown}"
        return self.shown

    def read_all(self) -> str:
        """Read until the program has ended; return everything shown."""
        while self._read():
            pass
        return self.shown

    def type(self, text: str) -> None:
        """Send key presses."""
        os.write(self.fd, text.encode())

    def close(self) -> None:
        """Close the terminal, as its window does."""
        os.close(self.fd)
        self.fd = -1

    def _read(self) -> bool:
        try:
            data = os.read(self.fd, _READ_BYTES)
        except OSError:  # EIO: the program has closed its side
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def on_terminal(*arguments: str, env: Mapping[str, str], columns: int = 80) -> Iterator[Terminal]:
    """Start the program on a terminal with this number of columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        ["setsid", "--ctty", PROGRAM, *arguments],
        cwd=ROOT,
        env={"TERM": "xterm-256color", **given},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        terminal = Terminal(ours, process)
        try:
            yield terminal
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            if terminal.fd != -1:
                terminal.close()
