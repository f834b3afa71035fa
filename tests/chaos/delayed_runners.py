"""Runners that take their time."""

import asyncio
from threading import Event

from tests.support.runner import Behaviour, Exchange


def after(gate: Event, behaviour: Behaviour) -> Behaviour:
    """Behave like that at the test's command, and no sooner."""

    async def behave(exchange: Exchange) -> None:
        while not gate.is_set():  # noqa: ASYNC110 - it is set on the test's thread
            await asyncio.sleep(0.01)
        await behaviour(exchange)

    return behave


def takes(seconds: float, behaviour: Behaviour) -> Behaviour:
    """Behave like that after so long."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await behaviour(exchange)

    return behave
