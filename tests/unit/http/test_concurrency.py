"""Limits on concurrency are shared between addresses, and no address waits for another's."""

import asyncio
import gc
from contextlib import AsyncExitStack

import pytest

from entrypoints.http import concurrency
from entrypoints.http.concurrency import ConcurrencyLimiter, Overloaded
from entrypoints.http.request_context import caller_address


async def held_by(address: str, wanted: ConcurrencyLimiter, held: AsyncExitStack) -> None:
    token = caller_address.set(address)
    await held.enter_async_context(wanted.slot())
    caller_address.reset(token)


def test_what_one_address_wants_too_much_of_waits_for_its_own(monkeypatch: pytest.MonkeyPatch):
    async def share() -> None:
        few = ConcurrencyLimiter(4, "others do it", per_address=2)
        async with AsyncExitStack() as held, AsyncExitStack() as others:
            for address in ("a", "a", "b"):
                await held_by(address, few, held)
            waiting = asyncio.create_task(held_by("a", few, held))
            await asyncio.sleep(0)

            # Another address has the last place, and then there is none for a third.
            await held_by("b", few, others)
            assert not waiting.done()
            monkeypatch.setattr(concurrency, "_PATIENCE_S", 0)
            with pytest.raises(Overloaded):
                await held_by("c", few, held)
            waiting.cancel()

    asyncio.run(share())


def test_addresses_that_have_left_are_forgotten():
    def semaphores() -> int:
        gc.collect()
        return sum(isinstance(one, asyncio.Semaphore) for one in gc.get_objects())

    async def come_and_go() -> int:
        before = semaphores()
        many = ConcurrencyLimiter(4, "others do it", per_address=2)
        for number in range(100):
            async with AsyncExitStack() as held:
                await held_by(str(number), many, held)
        return semaphores() - before

    assert asyncio.run(come_and_go()) == 1  # of all addresses
