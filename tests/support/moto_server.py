"""An imitation of S3 and CloudWatch. It believes every credential."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"
_START_S = 30


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server in a process of its own; give its address."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "log")
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        with process:
            try:
                yield _address(process, log)
            finally:
                process.kill()


def _address(process, log):
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())
