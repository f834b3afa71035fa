"""The processors of this service's threads and of their children."""

import os
from collections.abc import Collection
from contextlib import suppress


def allow_cpus(processors: Collection[int]) -> None:
    """Let this thread and its later children use processors: the service may keep it to one."""
    with suppress(OSError):  # a system that refuses this also refused the pinning
        os.sched_setaffinity(0, processors)
