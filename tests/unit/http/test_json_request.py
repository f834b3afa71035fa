"""A large body has as much time as its bytes may take at the minimum rate."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar.exceptions import HTTPException

from entrypoints.http import json_request
from entrypoints.http.json_request import receive_in_time


def received(*pieces: bytes, pause_s: float) -> bytes:
    async def send() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(pause_s)

    body = bytearray(b"begun ")
    asyncio.run(receive_in_time(body.extend, send(), 1_000))
    return bytes(body)


def test_what_has_come_buys_time_for_what_is_to_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_request, "_GRACE_S", 0)

    body = received(b"a" * 60_000, b"b", pause_s=0.1)

    assert body == b"begun " + b"a" * 60_000 + b"b"


def test_a_sender_slower_than_the_minimum_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_request, "_GRACE_S", 0.01)

    with pytest.raises(HTTPException, match="less than 1000 bytes per second") as refusal:
        received(b"a" * 10, b"b", pause_s=60)

    assert refusal.value.status_code == 408
