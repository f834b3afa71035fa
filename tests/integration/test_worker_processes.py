"""Worker processes outlive a shortage of processes, and none outlives the process that started it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

from tests.support.processes import eventually

# Each process says when it starts and when it is told to stop; it goes on until it is killed.
_WORK = """
import os, signal, sys
from entrypoints.worker.processes import Processes

def say(what):
    os.write(1, f"{what} {os.getpid()}\\n".encode())

def work():
    signal.signal(signal.SIGTERM, lambda *_: say("told"))
    say("started")
    while True:
        signal.pause()
"""
# The system has no room for the second process at first.
_SHORTAGE = """
forks = []
fork = os.fork

def fork_but_once():
    forks.append(os.getpid())
    if len(forks) == 2:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = fork_but_once
"""


@contextmanager
def processes(number, tmp_path, before=""):
    """Run processes; yield their parent, and a function that returns the processes that wrote a word."""
    code = f"{_WORK}{before}\nProcesses({number}, work).run()\n"
    log = tmp_path / "log"

    def said(word):
        lines = map(str.split, log.read_text().splitlines())
        return sorted(int(process) for what, process in lines if what == word)

    with log.open("wb") as out, subprocess.Popen([sys.executable, "-c", code], stdout=out) as parent:
        try:
            yield parent, said
        finally:
            parent.kill()
            for process in said("started"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def test_all_processes_stop_at_once_when_their_parent_is_killed(tmp_path):
    with processes(3, tmp_path) as (parent, said):
        assert eventually(lambda: len(said("started")) == 3)
        parent.kill()
        # None waits for the end of another
        assert eventually(lambda: said("told") == said("started"))


def test_a_process_that_cannot_be_started_is_started_later(tmp_path):
    with processes(2, tmp_path, _SHORTAGE) as (parent, said):
        assert eventually(lambda: len(said("started")) == 2)
        parent.terminate()
        assert eventually(lambda: said("told") == said("started"))
