"""Where this service's threads, and what they start, may run."""

import os
from collections.abc import Collection
from contextlib import suppress


def allow_cpus(processors: Collection[int]) -> None:
    """Let this thread, and what it starts from now on, use processors: the service may keep it to one."""
    with suppress(OSError):  # where the system does not permit that, nobody keeps it to one either
        os.sched_setaffinity(0, processors)
