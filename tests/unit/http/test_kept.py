import tracemalloc

import pytest
from litestar.response import Stream

from entrypoints.http.kept import Kept
from tests.support.run_apart import run_apart


async def read(kept: Kept) -> bytes:
    return b"".join([piece async for piece in kept.pieces()])


@pytest.mark.parametrize("size", [0, 1, 256 << 10, (256 << 10) + 1, 3 << 20])
def test_what_is_kept_is_what_is_read(size: int):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    kept = Kept(content)

    assert kept.size == size
    assert run_apart(read(kept)) == content


def test_much_that_nobody_takes_is_not_in_memory():
    tracemalloc.start()
    waiting = [Kept(b"x" * (4 << 20)) for _ in range(8)]
    in_use, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert in_use < 1 << 20
    for kept in waiting:
        answer = kept.response("text/plain")
        assert isinstance(answer, Stream)
        assert answer.headers["Content-Length"] == str(4 << 20)
        run_apart(read(kept))
