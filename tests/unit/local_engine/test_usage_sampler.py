"""Looking at trees of processes, of which some take long to be looked at."""

import os
import subprocess
import sys

import pytest

from adapters.local_engine.sandbox.supervisor import usage_sampler
from adapters.local_engine.sandbox.supervisor.usage_sampler import UsageSampler

_PROCESSES = 4
_FAMILY = f"""
import os, sys, time
for _ in range({_PROCESSES} - 1):
    if os.fork() == 0:
        break
memory = bytearray(os.urandom(1 << 20) * 16)
os.write(1, b'x')
time.sleep(60)
"""


@pytest.fixture
def family():
    """Start four processes with 16 MiB each."""
    with subprocess.Popen([sys.executable, "-c", _FAMILY], stdout=subprocess.PIPE, process_group=0) as root:
        for _ in range(_PROCESSES):
            assert root.stdout.read(1) == b"x"
        yield root.pid
        os.killpg(root.pid, 9)


def _meter(root, allowed_mb):
    return UsageSampler(
        root, cpu_s=lambda: 0.0, allowed_cpu_s=1, allowed_memory_kb=allowed_mb << 10, cpu_at_start_s=0
    )


def test_memory_is_added_up_in_one_look_if_that_is_short(family, monkeypatch):
    monkeypatch.setattr(usage_sampler, "_LONGEST_LOOK_S", 10)

    assert _meter(family, allowed_mb=_PROCESSES * 16).exceeded() == "memory_mb"


def test_memory_is_added_up_in_several_looks_if_one_takes_long(family, monkeypatch):
    monkeypatch.setattr(usage_sampler, "_LONGEST_LOOK_S", 0)
    its_meter = _meter(family, allowed_mb=_PROCESSES * 16)

    looks = [its_meter.exceeded() for _ in range(_PROCESSES)]

    assert looks == [*[None] * (_PROCESSES - 1), "memory_mb"]


def test_the_last_figures_are_taken_without_a_look_at_all_that_is_mapped(family, monkeypatch):
    monkeypatch.setattr(usage_sampler, "memory_kb", pytest.fail)
    its_meter = _meter(family, allowed_mb=1)

    its_meter.read()

    assert its_meter.largest_kb > 16 << 10
