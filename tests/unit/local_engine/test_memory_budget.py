"""Programs are admitted by the memory that they may have."""

from contextlib import ExitStack

import pytest

from adapters.common.host import Host
from adapters.local_engine.memory_budget import SERVICE_MB, MemoryBudget, room_for_programs

USUAL = 256


@pytest.fixture
def running():
    with ExitStack() as stack:
        yield stack


def test_programs_are_admitted_as_far_as_there_is_room_for_all_of_their_memory(running):
    budget = MemoryBudget(600, USUAL)

    assert [running.enter_context(budget.reserved(256)) for _ in range(3)] == [True, True, False]


def test_room_is_there_again_when_a_program_has_ended(running):
    budget = MemoryBudget(300, USUAL)
    with budget.reserved(256) as first:
        assert budget.is_short()
        assert not budget.regained_room()

    assert first
    assert budget.regained_room()
    assert not budget.regained_room()
    assert running.enter_context(budget.reserved(256))


def test_small_programs_do_not_keep_a_large_one_waiting_for_ever(running):
    budget = MemoryBudget(600, USUAL)
    with budget.reserved(200):
        assert not running.enter_context(budget.reserved(500))
        assert budget.is_short()
        assert not running.enter_context(budget.reserved(16))
    assert running.enter_context(budget.reserved(500))
    assert running.enter_context(budget.reserved(16))


def test_a_large_program_that_never_comes_again_holds_nothing_up(running):
    budget = MemoryBudget(600, USUAL)
    with budget.reserved(200):
        running.enter_context(budget.reserved(500))

    assert not budget.is_short()
    assert [running.enter_context(budget.reserved(256)) for _ in range(2)] == [True, True]


def test_a_program_that_may_have_more_than_there_is_runs_alone(running):
    budget = MemoryBudget(300, USUAL)

    assert running.enter_context(budget.reserved(2_048))
    assert budget.is_short()
    assert not running.enter_context(budget.reserved(16))


def test_without_a_bound_all_are_admitted(running):
    budget = MemoryBudget(None, USUAL)

    assert all(running.enter_context(budget.reserved(2_048)) for _ in range(100))
    assert not budget.is_short()
    assert not budget.regained_room()


MACHINE = {"proc/meminfo": "MemTotal:       24125400 kB\nMemFree: 1 kB\n"}
UNIFIED = {
    "proc/self/cgroup": "0::/judge.slice/judge.service/service_server-main\n",
    "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/judge.slice/memory.max": "1073741824\n",
    "sys/fs/cgroup/judge.slice/judge.service/memory.max": "2147483648\n",
    "sys/fs/cgroup/judge.slice/judge.service/service_server-main/memory.max": "max\n",
}
# A container of its own namespace sees its group as the root, and on version 1 perhaps by the host's name.
CONTAINER = {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "sys/fs/cgroup/memory.max": "1073741824\n",
}
SEPARATE = {
    "proc/self/cgroup": "4:cpu,memory:/docker/abc\n3:pids:/docker/abc\n",
    "proc/self/mountinfo": "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,cpu,memory\n",
    "sys/fs/cgroup/memory/memory.stat": "cache 1\nhierarchical_memory_limit 1073741824\ntotal_cache 1\n",
}
UNLIMITED = SEPARATE | {"sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 9223372036854771712\n"}


@pytest.mark.parametrize(
    ("files", "room_mb"),
    [
        (UNIFIED, 1_024 - SERVICE_MB),
        (CONTAINER, 1_024 - SERVICE_MB),
        (SEPARATE, 1_024 - SERVICE_MB),
        (UNLIMITED, None),
        ({}, None),
        (CONTAINER | {"sys/fs/cgroup/memory.max": "104857600"}, 64),
    ],
)
def test_the_room_is_what_the_control_group_allows_beside_the_service(tmp_path, files, room_mb):
    for name, text in (MACHINE | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert room_for_programs(None, Host(tmp_path, {})) == room_mb


@pytest.mark.parametrize(("asked_mb", "room_mb"), [(0, None), (500, 500)])
def test_a_setting_takes_the_place_of_the_control_group_s_limit(asked_mb, room_mb):
    assert room_for_programs(asked_mb) == room_mb
