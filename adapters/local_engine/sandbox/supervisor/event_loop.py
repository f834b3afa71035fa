"""An event loop of descriptors and one deadline."""

import math
import os
import select
from collections.abc import Callable


class EventLoop:
    """Calls back when a descriptor is ready to be read or its other end is closed.

    It polls, for there is a quota of epoll(7) for each user, which programs of an ordinary user share.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._actions: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` whenever the descriptor is ready."""
        self._poll.register(descriptor, select.POLLIN)
        self._actions[descriptor] = action

    def remove(self, descriptor: int) -> None:
        """Forget a descriptor; one that is not watched is no error."""
        if self._actions.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def close(self, descriptor: int) -> None:
        """Forget a descriptor and close it."""
        self.remove(descriptor)
        os.close(descriptor)

    def wait(self, timeout_s: float | None) -> None:
        """Wait until something is ready or the time is over, and call the actions of ready descriptors.

        Actions of the same time are called in the order in which they were added.
        """
        timeout_ms = None if timeout_s is None else math.ceil(1000 * timeout_s)
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout_ms)}
        for descriptor, action in [item for item in self._actions.items() if item[0] in ready]:
            # An earlier action may have closed it, and another descriptor may have its number by now.
            if self._actions.get(descriptor) is action:
                action()
