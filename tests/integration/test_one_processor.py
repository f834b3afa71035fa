"""Threads on one processor, of real processes."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adapters.local_engine.toolchains import Toolchains, read_table
from entrypoints.worker.one_processor import OneProcessor, on_one_processor
from entrypoints.worker.processor_use import ProcessorUse, Use, kept_to_one
from tests.support import service
from tests.support.processes import eventually
from tests.support.sandbox import require_bubblewrap

ALL = os.sched_getaffinity(0)
COUNT = "import os; print(len(os.sched_getaffinity(0)))"

pytestmark = pytest.mark.skipif(len(ALL) < 2, reason="this machine has one processor")


def places(pid: int) -> set[frozenset[int]]:
    """Return where the threads of a process may be."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {frozenset(os.sched_getaffinity(int(thread.name))) for thread in threads}


def in_a_process(work, *arguments):
    """Call a function in a process of its own, and return its answer."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(writer, *arguments))
    process.start()
    writer.close()
    try:
        return reader.recv()
    finally:
        process.join()


def settle_and_tell(writer, crowded):
    """Settle until this process is not on a processor that others crowd."""
    waiting = threading.Event()
    threads = [threading.Thread(target=waiting.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    one = OneProcessor(lambda: Use({number: 100.0 * (number in crowded) for number in ALL}, own=10.0))
    for _ in range(100):  # a coin is tossed before each move
        one.settle()
    writer.send(places(os.getpid()))


def test_every_thread_is_where_others_leave_room():
    free = max(ALL)
    assert in_a_process(settle_and_tell, ALL - {free}) == {frozenset({free})}


def refuse():
    """Stand in for a system without this information."""
    raise PermissionError(1, "Operation not permitted")


def settle_without_leave_and_tell(writer):
    """Settle on a system without figures of its processors' use."""
    one = OneProcessor(refuse)
    for _ in range(3):
        one.settle()
    writer.send(places(os.getpid()))


def test_where_the_system_does_not_tell_threads_stay_where_it_puts_them():
    assert in_a_process(settle_without_leave_and_tell) == {frozenset(ALL)}


def settle_twice_and_tell(writer):
    """Settle, have another place assigned, and settle again."""
    one = OneProcessor(ProcessorUse())
    one.settle()
    [first] = [min(place) for place in places(os.getpid())]
    other = min(ALL - {first})
    os.sched_setaffinity(0, {other})
    one.settle()
    writer.send(places(os.getpid()) == {frozenset({other})})


def test_a_place_that_was_taken_away_is_given_up():
    assert in_a_process(settle_twice_and_tell)


def test_the_use_of_every_processor_is_told_and_this_process_s_own():
    look = ProcessorUse()
    assert look() == Use({}, 0.0)
    deadline = time.process_time() + 0.3
    while time.process_time() < deadline:
        pass
    use = look()
    assert use.of_all.keys() >= ALL
    assert all(0 <= percent <= 100 for percent in use.of_all.values())
    assert use.own > 10


def test_those_that_are_kept_to_one_processor_are_seen():
    keep, place = (
        "import os, sys; os.sched_setaffinity(0, {%d}); print(flush=True); sys.stdin.read()",
        max(ALL),
    )
    command = [sys.executable, "-c", keep % place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert kept_to_one()[process.pid] == place
        process.stdin.close()


def are_on_one():
    """Whether all threads of this process are on one processor: while they move, some are there already."""
    return [len(place) for place in places(os.getpid())] == [1]


def start_a_thread_and_tell(writer):
    """Return whether all threads, also later ones, are on one processor, and where they end."""
    with on_one_processor(wanted=True):
        at_first = eventually(are_on_one)
        waiting = threading.Event()
        threading.Thread(target=waiting.wait, daemon=True).start()
        later = eventually(are_on_one)
    writer.send((at_first, later, places(os.getpid())))


def test_threads_that_begin_later_are_there_too_until_all_are_let_go():
    at_first, later, afterwards = in_a_process(start_a_thread_and_tell)
    assert at_first
    assert later
    assert afterwards == {frozenset(ALL)}


def ask_for_a_version_and_tell(writer):
    """Return how many processors a toolchain had that was asked for its version by a thread on one."""
    row = next(row for row in read_table() if row.language.name == "bash")
    known = Toolchains([replace(row, version=["{bash}", "-c", "echo 0.$(nproc)"])])
    os.sched_setaffinity(0, {max(ALL)})
    known.start()
    known.wait_for_versions(20)
    writer.send(known.support()[0].version)


def test_a_toolchain_is_asked_for_its_version_on_every_processor():
    assert in_a_process(ask_for_a_version_and_tell) == f"0.{len(ALL)}"


def test_a_server_keeps_to_one_processor_and_its_programs_have_them_all(tmp_path):
    require_bubblewrap()
    with service.served(service.environment(tmp_path)) as server:
        assert eventually(lambda: {len(place) for place in places(server.process.pid)} == {1})
        # Started when the server had its place, by a supervisor that was started then
        psutil.Process(server.process.pid).children()[0].kill()
        job = server.execute(server.upload(COUNT)["job_id"], wait_s=20)
    assert job["data"]["result"]["stdout"] == f"{len(ALL)}\n"


def test_a_server_that_is_not_to_leaves_its_threads_alone(tmp_path):
    with service.served(service.environment(tmp_path, SERVICE_SERVER_ONE_PROCESSOR="false")) as server:
        assert places(server.process.pid) == {frozenset(ALL)}
