"""Threads on one processor, of real processes."""

import multiprocessing
import os
import subprocess
import sys
from contextlib import ExitStack

import psutil
import pytest

from tests.support import service
from tests.support.pinned_processes import (
    ask_for_a_version_and_tell,
    pin_and_tell,
    pin_where_refused_and_tell,
    places,
    start_a_thread_and_tell,
)
from tests.support.processes import eventually
from tests.support.sandbox import require_bubblewrap

ALL = os.sched_getaffinity(0)
COUNT = "import os; print(len(os.sched_getaffinity(0)))"

pytestmark = pytest.mark.skipif(len(ALL) < 2, reason="this machine has one processor")


def in_a_process(work, *arguments):
    """Do something in a process of its own, and return what it sends."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(writer, *arguments))
    process.start()
    writer.close()
    try:
        return reader.recv()
    finally:
        process.join()


def test_a_process_is_pinned_where_the_fewest_others_are():
    pin = "import os, sys; os.sched_setaffinity(0, {%d}); print(flush=True); sys.stdin.read()"
    crowded = ALL - {free := max(ALL)}
    # Given processes on every CPU but one, more than anybody else may have pinned there
    with ExitStack() as stack:
        for cpu in [*crowded] * 3:
            command = [sys.executable, "-S", "-c", pin % cpu]
            other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(other)
            other.stdout.readline()
        assert in_a_process(pin_and_tell) == {frozenset({free})}


def test_where_the_system_refuses_threads_stay_where_it_puts_them():
    assert in_a_process(pin_where_refused_and_tell) == {frozenset(ALL)}


def test_threads_that_begin_later_are_there_too_until_all_are_let_go():
    at_first, later, afterwards = in_a_process(start_a_thread_and_tell)
    assert at_first
    assert later
    assert afterwards == {frozenset(ALL)}


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
