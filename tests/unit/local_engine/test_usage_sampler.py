"""Looking at trees of processes, of which some take long to be looked at."""

import os
import subprocess
import sys
import time

import pytest

from adapters.local_engine.sandbox.supervisor import usage_sampler
from adapters.local_engine.sandbox.supervisor.usage_sampler import TreeCpu, UsageSampler, live_cpu_s, tree
from tests.support.processes import eventually

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


def test_processor_time_is_added_up_in_several_looks_if_one_takes_long(family, monkeypatch):
    monkeypatch.setattr(usage_sampler, "_LONGEST_LOOK_S", 0)
    used_s = live_cpu_s(family)
    cpu_s = TreeCpu(family)

    looks = [cpu_s() for _ in range(_PROCESSES + 1)]  # the last one finds that there are no more

    assert looks == sorted(looks)
    assert looks[0] < used_s <= looks[-1] < 1.5 * used_s + 0.1


def test_between_whole_looks_the_time_of_processes_that_are_known_goes_on(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        cpu_s = TreeCpu(spinning.pid)
        before_s = cpu_s()
        monkeypatch.setattr(usage_sampler, "_LONGEST_LOOK_S", -1)
        assert eventually(lambda: cpu_s() > before_s + 0.05)
        spinning.kill()


def test_a_process_with_the_id_of_one_that_ended_adds_no_more_than_there_was_time_for(family, monkeypatch):
    cpu_s = TreeCpu(family)
    before_s = cpu_s()
    began = time.monotonic()
    monkeypatch.setattr(usage_sampler, "_LONGEST_LOOK_S", -1)
    monkeypatch.setattr(usage_sampler, "_clock_s", lambda _pid: 1e6)

    cpu_s()  # the first process is looked at, and the others are asked for their time
    after_s = cpu_s()

    assert after_s - before_s <= 2 * _PROCESSES * (os.cpu_count() or 1) * (time.monotonic() - began)


def test_a_tree_that_takes_long_to_look_at_is_looked_at_less_often(family, monkeypatch):
    def slow(root):
        for pid in tree(root):
            time.sleep(0.02)
            yield pid, 0

    monkeypatch.setattr(usage_sampler, "memory_kb", slow)
    its_meter = _meter(family, allowed_mb=1 << 10)
    at_first_s = its_meter.seconds_to_next_sample()
    its_meter.exceeded()

    assert at_first_s <= 0.05
    assert 9 * 0.02 <= its_meter.seconds_to_next_sample() <= 0.25
