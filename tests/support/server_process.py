import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server_process(module: str, *arguments: str) -> Iterator[str]:
    """Run a module that prints the port on which it listens, in a process of its own; give its address."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        with process:
            try:
                port = process.stdout.readline().strip()
                errors.seek(0)
                assert port, errors.read()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
