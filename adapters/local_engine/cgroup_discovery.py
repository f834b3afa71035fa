"""Where on this machine this process may make cgroups."""

import errno
import logging
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from adapters.local_engine.supervisor.cgroups import CgroupPlan, end

_log = logging.getLogger("service_server.local_engine")
_CONTROLLERS = ("memory", "pids")
# Version 2 counts processor time without a controller.
_CPU_CONTROLLER = "cpuacct"
_PREFIX = "service_server-"
# The namespace in which a process has its id, and the id: in another one, another process may have it.
_OURS = re.compile(rf"{_PREFIX}(\d+)-(\d+)-[0-9a-f]+(-main)?")


def discover(process: Path = Path("/proc/self"), name: str | None = None) -> CgroupPlan | None:
    """Make a directory for the cgroups of runs under our own cgroup; None if that cannot be.

    Args:
        process: This process in /proc.
        name: What the directory is to be called.
    """
    own = _own_directories(process)
    name = name or f"{_PREFIX}{_namespace()}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        if all(controller in own for controller in _CONTROLLERS):
            memory, pids = (own[controller] / name for controller in _CONTROLLERS)
            for directory in {memory, pids}:
                _sweep(directory.parent)
                directory.mkdir(exist_ok=True)
            cpu = _make_if_possible(own[_CPU_CONTROLLER] / name) if _CPU_CONTROLLER in own else None
            return CgroupPlan(version=1, memory=str(memory), pids=str(pids), cpu=cpu)
        if "" in own:
            return _prepare_unified(own[""], name)
    except OSError as error:
        _log.info("no cgroups for programs: %s", error.strerror)
    return None


def clear(plan: CgroupPlan) -> None:
    """Kill what runs of a supervisor that is gone have left, and remove their cgroups."""
    for directory in plan.directories:
        _end_runs(Path(directory))


def remove(plan: CgroupPlan) -> None:
    """Remove the directories, and what is left in them."""
    clear(plan)
    for directory in plan.directories:
        try:
            Path(directory).rmdir()
        except OSError as error:
            _log.info("left the cgroup %s: %s", directory, error.strerror)


def _make_if_possible(directory: Path) -> str | None:
    try:
        _sweep(directory.parent)
        directory.mkdir(exist_ok=True)
    except OSError as error:
        _log.info("processor time is sampled: %s", error.strerror)
        return None
    return str(directory)


def _sweep(parent: Path) -> None:
    """Remove what engines left there whose processes are gone, and kill what outlived them."""
    for directory in parent.glob(f"{_PREFIX}*"):
        owner = _OURS.fullmatch(directory.name)
        if owner is not None and owner[1] == _namespace() and not Path("/proc", owner[2]).exists():
            _end_runs(directory)
            with suppress(OSError):
                directory.rmdir()


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _end_runs(directory: Path) -> None:
    for group in directory.glob("run-*/"):
        try:
            end(str(group))
        except OSError as error:
            _log.warning("left the cgroup %s: %s", group, error.strerror)


def _own_directories(process: Path) -> Mapping[str, Path]:
    """Return the directory of our cgroup by controller; with version 2 there is one, under ''."""
    mounts = _mounts(process)
    own = {}
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                root, mount = mounts[controller]
                relative = os.path.relpath(path, root)
                # A path outside of what is mounted here belongs to a parent that we cannot see.
                own[controller] = mount if relative.startswith("..") else mount / relative
    return own


def _mounts(process: Path) -> Mapping[str, tuple[str, Path]]:
    """Return by controller which part of its hierarchy is mounted, and where (proc(5), mountinfo)."""
    found = {}
    for line in (process / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            found[""] = (root, Path(mount))
        elif kind == "cgroup":
            found |= {option: (root, Path(mount)) for option in options.split(",")}
    return found


def _prepare_unified(own: Path, name: str) -> CgroupPlan | None:
    """Give our cgroup's children the controllers; it must then have no process of its own itself."""
    _sweep(own)
    if not set(_CONTROLLERS) <= set((own / "cgroup.controllers").read_text().split()):
        _log.info("no cgroups for programs: the memory and pids controllers are not delegated to us")
        return None
    wanted = " ".join(f"+{controller}" for controller in _CONTROLLERS)
    try:
        (own / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = own / f"{name}-main"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text("0")
        (own / "cgroup.subtree_control").write_text(wanted)
    runs = own / name
    runs.mkdir(exist_ok=True)
    (runs / "cgroup.subtree_control").write_text(wanted)
    return CgroupPlan(version=2, memory=str(runs), pids=str(runs), cpu=str(runs))
