"""The CPU affinity of this service's threads and child processes."""

import os
from collections.abc import Collection
from contextlib import suppress


def allow_cpus(processors: Collection[int]) -> None:
    """Let this thread and its later children use these processors: the service may be pinned to one."""
    with suppress(OSError):  # a system that refuses this has refused the pinning, too
        os.sched_setaffinity(0, processors)
