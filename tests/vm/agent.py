"""Runs commands in the virtual machine, as its root: standard library only, started by systemd.

Each line of the serial line names a directory of /host/requests, and is answered with a file `status` there.
"""

import json
import os
import subprocess
import threading
import tty
from pathlib import Path

_HOST = Path("/host")
_LINE = "/dev/ttyS0"


def main() -> None:
    """Take requests until the machine is switched off."""
    _prepare()
    with open(_LINE, "rb", buffering=0) as line:  # noqa: PTH123 - a device
        tty.setraw(line)
        (_HOST / "ready").touch()
        waiting = b""
        while True:
            waiting += line.read(4096)
            *words, waiting = waiting.split(b"\n")
            for word in words:
                if word == b"off":
                    subprocess.run(["systemctl", "poweroff", "--force", "--force"], check=True)
                threading.Thread(target=_answer, args=(_HOST / "requests" / word.decode(),)).start()


def _prepare() -> None:
    """Give the project this machine's Python packages, as of now."""
    packages = _HOST / "project/.venv"
    if packages.exists():
        subprocess.run(["mount", "--bind", "/opt/venv", packages], check=True)
    for name in (".run", ".dev"):
        Path("/opt/venv", name).touch()


def _answer(request: Path) -> None:
    status = _run(request)
    (request / "status~").write_text(str(status))
    (request / "status~").rename(request / "status")


def _run(request: Path) -> int:
    """Run the steps of a request, and return the status of its command."""
    before, command, after = json.loads((request / "command").read_text())
    # Each write is seen outside at once, not when the kernel writes pages back.
    out, err = (
        os.open(request / name, os.O_WRONLY | os.O_APPEND | os.O_SYNC) for name in ("stdout", "stderr")
    )
    try:
        for step in before:
            subprocess.run(step, stdin=subprocess.DEVNULL, stdout=err, stderr=err, check=False)
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False
        ).returncode
        for step in after:
            subprocess.run(step, stdin=subprocess.DEVNULL, stdout=err, stderr=err, check=False)
        return status
    finally:
        os.close(out)
        os.close(err)


if __name__ == "__main__":
    main()
