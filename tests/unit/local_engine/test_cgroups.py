"""Finding cgroups, on trees of files that look as the kernel's do."""

import os
import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import cgroup_discovery, unified_cgroups
from adapters.local_engine.sandbox.cgroup_discovery import discover, remove
from adapters.local_engine.sandbox.supervisor.cgroups import Cgroup, CgroupPlan
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable


def _process(tmp_path, cgroup, mounts):
    process = tmp_path / "self"
    process.mkdir()
    (process / "cgroup").write_text(cgroup)
    (process / "mountinfo").write_text(
        "".join(
            f"30 20 0:1 {root} {mount} rw - {kind} cgroup {options}\n"
            for root, mount, kind, options in mounts
        )
    )
    return process


def test_version_1_takes_one_directory_of_each_controller(tmp_path):
    memory, pids = tmp_path / "memory", tmp_path / "pids"
    (memory / "service").mkdir(parents=True)
    pids.mkdir()
    process = _process(
        tmp_path,
        "5:pids:/\n4:memory:/service\n0::/\n",
        [("/", memory, "cgroup", "rw,memory"), ("/", pids, "cgroup", "rw,pids")],
    )

    plan = discover(process, "ours")

    assert plan == CgroupPlan(version=1, memory=str(memory / "service" / "ours"), pids=str(pids / "ours"))
    assert (pids / "ours").is_dir()


def test_version_1_counts_processor_time_where_it_may(tmp_path):
    hierarchies = {name: tmp_path / name for name in ("memory", "pids", "cpuacct")}
    for directory in hierarchies.values():
        directory.mkdir()
    process = _process(
        tmp_path,
        "5:pids:/\n4:memory:/\n2:cpu,cpuacct:/\n",
        [("/", directory, "cgroup", f"rw,{name}") for name, directory in hierarchies.items()],
    )

    assert discover(process, "ours").cpu == str(hierarchies["cpuacct"] / "ours")


@pytest.mark.parametrize("names", [("cpu,cpuacct",), ("cpuacct", "cpu")])
def test_version_1_shares_processors_in_the_directory_of_their_controller(tmp_path, names):
    hierarchies = {name: tmp_path / name for name in ("memory", "pids", *names)}
    for directory in hierarchies.values():
        directory.mkdir()
    process = _process(
        tmp_path,
        "".join(f"5:{name}:/\n" for name in hierarchies),
        [("/", directory, "cgroup", f"rw,{name}") for name, directory in hierarchies.items()],
    )

    plan = discover(process, "ours")

    assert plan.shares == str(hierarchies[names[-1]] / "ours")
    assert Path(plan.shares, "cpu.shares").read_text() == str(512 * os.cpu_count())
    assert plan.directories == tuple(str(directory / "ours") for directory in hierarchies.values())


def test_version_1_in_a_container_goes_by_what_is_mounted(tmp_path):
    memory, pids = tmp_path / "memory", tmp_path / "pids"
    memory.mkdir()
    pids.mkdir()
    process = _process(
        tmp_path,
        "5:pids:/docker/abc\n4:memory:/docker/abc\n",
        [("/docker/abc", memory, "cgroup", "memory"), ("/docker/abc", pids, "cgroup", "pids")],
    )

    assert discover(process, "ours").memory == str(memory / "ours")


def _unified(tmp_path, controllers, path="/"):
    own = tmp_path / "unified"
    own.mkdir()
    (own / "cgroup.controllers").write_text(controllers)
    return own, _process(tmp_path, f"0::{path}\n", [("/", own, "cgroup2", "rw")])


def test_version_2_hands_its_controllers_down(tmp_path):
    own, process = _unified(tmp_path, "io memory pids\n")

    plan = discover(process, "ours")

    assert plan == CgroupPlan(
        version=2, memory=str(own / "ours"), pids=str(own / "ours"), cpu=str(own / "ours")
    )
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (own / "ours" / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_version_2_hands_the_controller_of_processors_down_where_it_has_it(tmp_path):
    own, process = _unified(tmp_path, "cpu memory pids\n")

    discover(process, "ours")

    # The kernel adds each of them to the others; a file keeps the last that was written.
    assert (own / "cgroup.subtree_control").read_text() == "+cpu"
    assert (own / "ours" / "cgroup.subtree_control").read_text() == "+cpu"


@pytest.mark.parametrize(("enabled", "is_shared"), [("memory pids\n", False), ("cpu memory pids\n", True)])
def test_version_2_shares_processors_if_the_groups_of_runs_have_the_controller(tmp_path, enabled, is_shared):
    (tmp_path / "cgroup.subtree_control").write_text(enabled)

    assert unified_cgroups.shares_processors(tmp_path) is is_shared


def test_version_2_begun_from_the_leaf_shares_out_the_group_above(tmp_path):
    own, process = _unified(tmp_path, "memory pids\n", path="/service_server-main")
    (own / "service_server-main").mkdir()

    assert discover(process, "ours").memory == str(own / "ours")


def test_the_last_engine_to_leave_takes_the_controllers_back_and_removes_the_leaf(tmp_path):
    own, process = _unified(tmp_path, "memory pids\n")
    leaf = own / unified_cgroups.LEAF
    leaf.mkdir()
    plans = [discover(process, f"service_server-{number}") for number in (1, 2)]
    for plan in plans:
        Path(plan.memory, "cgroup.subtree_control").unlink()  # the kernel's files go with their directory

    remove(plans[0])

    assert leaf.is_dir()
    remove(plans[1])
    assert [path.name for path in own.iterdir() if path.is_dir()] == []
    assert (own / "cgroup.subtree_control").read_text() == "-memory -pids"


@pytest.mark.parametrize(
    ("user", "advised"),
    [(0, "'systemd-run --scope -p Delegate=yes"), (1000, "'systemd-run --user --scope -p Delegate=yes")],
)
def test_version_2_without_its_controllers_is_refused_with_advice(tmp_path, monkeypatch, user, advised):
    own, process = _unified(tmp_path, "cpu memory\n")
    monkeypatch.setattr("os.geteuid", lambda: user)

    with pytest.raises(CgroupsUnavailable) as refused:
        discover(process, "ours")

    assert f"the controllers of pids are not delegated to {own}; " in str(refused.value)
    assert advised in str(refused.value)


def test_the_group_of_the_first_process_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup_discovery, "_SYSTEMD_RUNS", tmp_path / "no systemd")
    own, process = _unified(tmp_path, "memory pids\n", path="/init.scope")
    (own / "init.scope").mkdir()

    with pytest.raises(CgroupsUnavailable, match=r"init\.scope is reserved for this machine's first process"):
        discover(process, "ours")

    assert list((own / "init.scope").iterdir()) == []


def test_a_machine_without_cgroups_is_told_so(tmp_path):
    with pytest.raises(
        CgroupsUnavailable, match=r"no control groups .* are mounted on this machine; mount them"
    ):
        discover(_process(tmp_path, "", []), "ours")


def test_a_directory_that_we_may_not_write_to_is_named(tmp_path):
    process = _process(
        tmp_path,
        "5:pids:/\n4:memory:/\n",
        [("/", Path("/proc"), "cgroup", "memory"), ("/", Path("/proc"), "cgroup", "pids")],
    )

    with pytest.raises(CgroupsUnavailable, match=r"^/proc/ours: .*; run the service as root"):
        discover(process, "ours")


def test_version_1_leaves_nothing_where_one_controller_refuses(tmp_path):
    memory = tmp_path / "memory"
    memory.mkdir()
    process = _process(
        tmp_path,
        "5:pids:/\n4:memory:/\n",
        [("/", memory, "cgroup", "memory"), ("/", Path("/proc"), "cgroup", "pids")],
    )

    with pytest.raises(CgroupsUnavailable):
        discover(process, "ours")

    assert list(memory.iterdir()) == []


def test_what_a_killed_engine_left_is_removed_and_what_another_one_uses_is_not(tmp_path):
    own, process = _unified(tmp_path, "memory pids\n")
    left, used = (f"service_server-{digit * 16}" for digit in "0a")
    for name in (f"{left}/run-1-1", f"{used}/run-1-1", "other"):
        (own / name).mkdir(parents=True)
    with _in_use(own / used):
        discover(process, "ours")

    assert {path.name for path in own.iterdir() if path.is_dir()} == {used, "other", "ours"}
    assert (own / used / "run-1-1").is_dir()


def test_a_directory_is_in_use_as_long_as_its_engine_has_it(tmp_path):
    own, process = _unified(tmp_path, "memory pids\n")
    name = f"service_server-{'b' * 16}"
    discover(process, name)
    (own / name / "run-1-1").mkdir()

    discover(process, "another")

    assert (own / name / "run-1-1").is_dir()


def test_the_name_of_a_directory_tells_nothing_of_its_process(tmp_path):
    _, process = _unified(tmp_path, "memory pids\n")
    names = {Path(discover(process).memory).name for _ in range(2)}

    assert len(names) == 2
    assert all(re.fullmatch(r"service_server-[0-9a-f]{16}", name) for name in names)


@contextmanager
def _in_use(directory):
    """Have a process lock a directory, as one does that uses it."""
    command = ["flock", "--exclusive", str(directory), "sh", "-c", "echo locked; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("version", "limit", "swap"),
    [
        (1, "memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", "4096")),
        (2, "memory.max", ("memory.swap.max", "0")),
    ],
)
def test_a_group_is_limited_by_the_names_of_its_version(tmp_path, version, limit, swap):
    plan = CgroupPlan(version=version, memory=str(tmp_path), pids=str(tmp_path))

    Cgroup(plan, "run", 4096, 7)

    assert (tmp_path / "run" / limit).read_text() == "4096"
    assert (tmp_path / "run" / swap[0]).read_text() == swap[1]
    assert (tmp_path / "run" / "pids.max").read_text() == "7"


@pytest.mark.parametrize(("version", "events"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_a_group_knows_what_it_ran_out_of(tmp_path, version, events):
    group = Cgroup(CgroupPlan(version=version, memory=str(tmp_path), pids=str(tmp_path)), "run", 4096, 7)
    (tmp_path / "run" / events).write_text("under_oom 0\noom_kill 2\n")
    (tmp_path / "run" / "pids.events").write_text("max 0\n")

    assert group.lost_process_to_memory()
    assert not group.ran_out_of_processes()


@pytest.mark.parametrize(("version", "file"), [(1, "memory.max_usage_in_bytes"), (2, "memory.peak")])
@pytest.mark.parametrize(
    ("peak_mb", "expected"),
    [(64, True), (63.5, True), (40, False), (None, True)],  # version 2 has the peak from Linux 5.19 on
)
def test_a_group_that_never_had_all_its_memory_did_not_reach_its_limit(
    tmp_path, version, file, peak_mb, expected
):
    plan = CgroupPlan(version=version, memory=str(tmp_path), pids=str(tmp_path))
    group = Cgroup(plan, "run", 64 << 20, 7)
    if peak_mb is not None:
        (tmp_path / "run" / file).write_text(f"{int(peak_mb * (1 << 20))}\n")

    assert group.reached_memory_limit() is expected


@pytest.mark.parametrize(("peak", "expected"), [("7\n", True), ("6\n", False), (None, True)])
def test_a_group_that_never_had_all_its_processes_was_refused_by_another_limit(tmp_path, peak, expected):
    group = Cgroup(CgroupPlan(version=2, memory=str(tmp_path), pids=str(tmp_path)), "run", 4096, 7)
    (tmp_path / "run" / "pids.events").write_text("max 3\n")
    if peak is not None:  # from Linux 6.6 on
        (tmp_path / "run" / "pids.peak").write_text(peak)

    assert group.ran_out_of_processes() is expected


@pytest.mark.parametrize(
    ("version", "file", "content"),
    [(1, "cpuacct.usage", "1500000000\n"), (2, "cpu.stat", "usage_usec 1500000\nuser_usec 9\n")],
)
def test_a_group_tells_its_processor_time(tmp_path, version, file, content):
    directory = str(tmp_path)
    group = Cgroup(
        CgroupPlan(version=version, memory=directory, pids=directory, cpu=directory), "run", 4096, 7
    )
    (tmp_path / "run" / file).write_text(content)

    assert group.counts_cpu
    assert group.cpu_s() == 1.5


@pytest.mark.parametrize(
    ("version", "file", "most", "usual", "ending"),
    [(1, "cpu.shares", "262144", 512, 4096), (2, "cpu.weight", "10000", 50, 400)],
)
def test_a_group_that_is_killed_has_the_processors_until_it_is_gone(
    tmp_path, monkeypatch, version, file, most, usual, ending
):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)  # figures of as many digits: the file is no kernel's
    directory = str(tmp_path)
    group = Cgroup(
        CgroupPlan(version=version, memory=directory, pids=directory, shares=directory), "run", 4096, 7
    )

    group.kill()

    assert (tmp_path / "run" / file).read_text() == most
    assert (tmp_path / file).read_text() == str(ending * os.cpu_count())
    assert (tmp_path / "run" / "cgroup.kill").exists() == (version == 2)
    group.remove()
    assert (tmp_path / file).read_text() == str(usual * os.cpu_count())
