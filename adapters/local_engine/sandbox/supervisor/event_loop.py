"""An event loop for descriptors, with one deadline."""

import math
import os
import select
from collections.abc import Callable


class EventLoop:
    """Calls back when a descriptor is readable or its other end is closed.

    Uses poll(2), because epoll(7) has a quota per user, which the service may share with programs.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._actions: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` whenever the descriptor is ready."""
        self._poll.register(descriptor, select.POLLIN)
        self._actions[descriptor] = action

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor. Does nothing if it is not watched."""
        if self._actions.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def close(self, descriptor: int) -> None:
        """Stop watching a descriptor and close it."""
        self.remove(descriptor)
        os.close(descriptor)

    def wait(self, timeout_s: float | None) -> None:
        """Wait until a descriptor is ready or the timeout has passed; call the actions of ready descriptors.

        The actions are called in the order in which they were added.
        """
        timeout_ms = None if timeout_s is None else math.ceil(1000 * timeout_s)
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout_ms)}
        for descriptor, action in [item for item in self._actions.items() if item[0] in ready]:
            # An earlier action may have closed this descriptor, and a new one may have its number.
            if self._actions.get(descriptor) is action:
                action()
