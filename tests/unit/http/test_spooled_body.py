import tracemalloc

import pytest
from litestar.response import Stream

from entrypoints.http.concurrency import Overloaded, SharedBudget
from entrypoints.http.request_context import caller_address
from entrypoints.http.streaming.spooled_body import SpooledBody
from tests.support.loop_thread import run_apart

LARGE = b"x" * (10 << 20)


def space_of(total: int, per_address: int) -> SharedBudget:
    return SharedBudget(total, per_address, "other callers", "one address")


def kept_for(address: str, content: bytes, space: SharedBudget) -> SpooledBody:
    token = caller_address.set(address)
    try:
        return SpooledBody(content, space)
    finally:
        caller_address.reset(token)


async def read(kept: SpooledBody) -> bytes:
    return b"".join([piece async for piece in kept.pieces()])


@pytest.mark.parametrize("size", [0, 1, 256 << 10, (256 << 10) + 1, 3 << 20])
def test_what_is_kept_is_what_is_read(size: int):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    kept = SpooledBody(content, space_of(1 << 30, 1 << 30))

    assert kept.size == size
    assert run_apart(read(kept)) == content


def test_much_that_nobody_takes_is_not_in_memory():
    space = space_of(1 << 30, 1 << 30)
    tracemalloc.start()
    waiting = [SpooledBody(b"x" * (4 << 20), space) for _ in range(8)]
    in_use, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert in_use < 1 << 20
    for kept in waiting:
        answer = kept.response("text/plain")
        assert isinstance(answer, Stream)
        assert answer.headers["Content-Length"] == str(4 << 20)
        run_apart(read(kept))


def test_answers_that_are_not_taken_have_so_much_space():
    space = space_of(50 << 20, 25 << 20)
    waiting = [kept_for(address, LARGE, space) for address in ("a", "a", "b", "b")]

    with pytest.raises(Overloaded, match="one address"):
        kept_for("a", LARGE, space)
    last = kept_for("c", LARGE, space)
    with pytest.raises(Overloaded, match="other callers"):
        kept_for("d", LARGE, space)
    assert kept_for("d", b"small", space).size == 5

    # One that was taken and one that was forgotten give their space back.
    assert run_apart(read(waiting.pop(0))) == LARGE
    del last
    assert [kept_for(address, LARGE, space).size for address in ("a", "d")] == [len(LARGE)] * 2


def test_an_answer_larger_than_the_space_is_kept_when_it_is_alone():
    space = space_of(1, 1)
    alone = SpooledBody(LARGE, space)

    with pytest.raises(Overloaded):
        SpooledBody(LARGE, space)
    assert run_apart(read(alone)) == LARGE
    assert SpooledBody(LARGE, space).size == len(LARGE)
