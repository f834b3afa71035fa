"""The pipes between two programs, if the process cannot have all of them."""

import errno
import os
import platform
from pathlib import Path
from threading import Thread

import psutil
import pytest

from adapters.local_engine.conversation import Conversation
from adapters.local_engine.sandbox import pump

PIPES = 3


@pytest.fixture
def pump_path(tmp_path):
    path = pump.install(tmp_path)
    if path is None:
        pytest.skip(f"there is no pump for {platform.machine()}")
    return path


def held():
    """Return the numbers of this process's descriptors and children."""
    return len(list(Path("/proc/self/fd").iterdir())), len(psutil.Process().children())


@pytest.mark.parametrize("made", range(PIPES))
def test_a_shortage_of_descriptors_costs_no_descriptor(pump_path, monkeypatch, made):
    before, pipe2, asked = held(), os.pipe2, []

    def scarce(flags):
        asked.append(flags)
        if len(asked) > made:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return pipe2(flags)

    monkeypatch.setattr(os, "pipe2", scarce)
    with pytest.raises(OSError, match="Too many open files"):
        Conversation(pump_path, 1, None).__enter__()
    assert held() == before


def test_a_shortage_of_threads_costs_no_descriptor_and_no_process(pump_path, monkeypatch):
    before = held()

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        Conversation(pump_path, 1, None).__enter__()
    assert held() == before


def test_a_pump_that_cannot_be_started_costs_no_descriptor(tmp_path):
    before = held()

    with pytest.raises(FileNotFoundError):
        Conversation(tmp_path / "missing", 1, None).__enter__()
    assert held() == before
