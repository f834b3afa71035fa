"""An S3 server that checks signatures and the expiry of presigned URLs, which moto's does not."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import server_process

ACCESS_KEY_ID = "test:tester"
SECRET_ACCESS_KEY = "testing"


@contextmanager
def swift_server() -> Iterator[str]:
    """Run OpenStack Swift in a separate process; yield the URL of its S3 API."""
    with (
        tempfile.TemporaryDirectory() as directory,
        server_process("tests.support.swift_process", directory) as address,
    ):
        yield address
