"""A fake of S3 and CloudWatch that accepts all credentials; tests have no other CloudWatch."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import server_process

ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"
# The most objects in one answer of a list. They are 1,000 in S3, for which moto would need six seconds.
MAX_KEYS = 100


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server in a separate process; yield its address."""
    with server_process("tests.support.moto_process", str(MAX_KEYS)) as address:
        yield address
