"""Connections to names with several addresses."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import httpcore

Address = TypeVar("Address")
Connection = TypeVar("Connection")


def connect_to_any(
    addresses: Sequence[Address], left_s: Callable[[], float], connect: Callable[[Address, float], Connection]
) -> Connection:
    """Connect to the first address that accepts.

    Each address gets an equal share of the remaining time, so that an address that does not answer is passed
    over.

    Args:
        addresses: The addresses of a name, at least one.
        left_s: Returns the seconds that remain; raises an error if there are none.
        connect: Connects to an address within some seconds.

    Raises:
        httpcore.ConnectError: The last address refuses the connection.
        httpcore.ConnectTimeout: The last address does not answer.
    """
    *others, last = addresses
    for left, address in zip(range(len(addresses), 1, -1), others, strict=True):
        try:
            return connect(address, left_s() / left)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            continue
    return connect(last, left_s())
