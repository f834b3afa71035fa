"""Work that tests do in processes of their own, in a module that such a process loads in little time."""

import os
import threading
from dataclasses import replace
from pathlib import Path

from adapters.local_engine.toolchains import Toolchains, read_table
from entrypoints.worker.cpu_affinity import pinned_to_one_cpu
from tests.support.processes import eventually
from tests.support.toolchains import knows_versions


def places(pid: int) -> set[frozenset[int]]:
    """Return where the threads of a process may be."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {frozenset(os.sched_getaffinity(int(thread.name))) for thread in threads}


def pin_and_tell(writer):
    """Pin this process, and send its CPU."""
    with pinned_to_one_cpu(wanted=True):
        writer.send(places(os.getpid()))


def pin_where_refused_and_tell(writer):
    """Pin this process where the system forbids it."""

    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    os.sched_setaffinity = refuse
    with pinned_to_one_cpu(wanted=True):
        writer.send(places(os.getpid()))


def _are_on_one():
    """Whether all threads of this process are on one processor: while they move, some are there already."""
    return [len(place) for place in places(os.getpid())] == [1]


def start_a_thread_and_tell(writer):
    """Send whether all threads, also later ones, are on one CPU, and their CPUs afterwards."""
    with pinned_to_one_cpu(wanted=True):
        at_first = eventually(_are_on_one)
        waiting = threading.Event()
        threading.Thread(target=waiting.wait, daemon=True).start()
        later = eventually(_are_on_one)
    writer.send((at_first, later, places(os.getpid())))


def ask_for_a_version_and_tell(writer):
    """Send the number of CPUs that a toolchain had for its version, asked by a pinned thread."""
    row = next(row for row in read_table() if row.language.name == "bash")
    known = Toolchains([replace(row, version=["{bash}", "-c", "echo 0.$(nproc)"])])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    known.start()
    assert knows_versions(known)
    writer.send(known.support()[0].version)
