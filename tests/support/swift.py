"""An S3 server that checks what moto's does not: signatures, and the expiry of presigned addresses."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY_ID = "test:tester"
SECRET_ACCESS_KEY = "testing"


@contextmanager
def swift_server() -> Iterator[str]:
    """Run OpenStack Swift in a process of its own; give the address of its S3 API."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        with (path / "errors").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.swift_process", directory],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        with process:
            try:
                port = process.stdout.readline().strip()
                assert port, (path / "errors").read_text()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
