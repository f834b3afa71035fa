"""Pinning of a process to one CPU (`docs/adr/0011-one-processor-for-a-process.md` and 0017)."""

import logging
import os
import random
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger("service_server.cpu_affinity")

_THREADS = Path("/proc/self/task")


@contextmanager
def pinned_to_one_cpu(*, wanted: bool) -> Iterator[None]:
    """Pin this process and the threads that it starts to the CPU with the fewest pinned processes.

    The interpreter lock lets one thread run at a time, and on several CPUs each handover of the lock wakes
    another CPU. If the operating system reports an error, the process is not pinned.
    """
    allowed = os.sched_getaffinity(0)
    if not wanted or len(allowed) == 1:
        yield
        return
    try:
        _allow(_least_assigned(allowed))
    except OSError as error:
        logger.info("this process is not pinned to one CPU: %s", error)
    try:
        yield
    finally:
        with suppress(OSError):  # the process stays pinned until it ends
            _allow(allowed)


def _allow(cpus: Collection[int]) -> None:
    moved: set[str] = set()
    # A thread that starts meanwhile may inherit the CPUs of a thread that has not been moved yet.
    while left := {thread.name for thread in _THREADS.iterdir()} - moved:
        for thread in left:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cpus)
        moved |= left


def _least_assigned(allowed: Collection[int]) -> set[int]:
    """Return the CPU to which the fewest visible processes are pinned; of several, a random one."""
    assigned = Counter[int]()
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - the names are enough
        with suppress(OSError):  # the process has ended
            cpus = os.sched_getaffinity(int(name))
            if len(cpus) == 1 and os.getpgid(int(name)):  # kernel threads have no process group
                assigned.update(cpus)
    fewest = min(assigned[cpu] for cpu in allowed)
    return {random.choice([cpu for cpu in allowed if assigned[cpu] == fewest])}  # noqa: S311 - no secret
