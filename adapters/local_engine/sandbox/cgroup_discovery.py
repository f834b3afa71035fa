"""Discovery of the place on this machine where this process may make cgroups."""

import errno
import logging
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from adapters.local_engine.sandbox import unified_cgroups
from adapters.local_engine.sandbox.supervisor.cgroups import UNIFIED, CgroupPlan, end, limit_shares
from adapters.local_engine.sandbox.unified_cgroups import CONTROLLERS, PREFIX, CgroupsUnavailable

_log = logging.getLogger("service_server.local_engine")
# Version 2 counts processor time without a controller.
_TIME_CONTROLLER = "cpuacct"
_SHARES_CONTROLLER = "cpu"
# The namespace in which a process has its id, and the id: in another one, another process may have it.
_OURS = re.compile(rf"{PREFIX}(\d+)-(\d+)-[0-9a-f]+")


def discover(process: Path = Path("/proc/self"), name: str | None = None) -> CgroupPlan:
    """Make a directory for the cgroups of runs under our own cgroup.

    Args:
        process: This process in /proc.
        name: The directory's.

    Raises:
        CgroupsUnavailable: That cannot be; the message has cause and remedy.
    """
    name = name or f"{PREFIX}{_namespace()}-{os.getpid()}-{secrets.token_hex(4)}"
    version = None
    try:
        own = _own_directories(process)
        version = _version(own)
        return _prepare_unified(own[""], name) if version == UNIFIED else _prepare_separate(own, name)
    except CgroupsUnavailable as error:
        raise CgroupsUnavailable(f"{error}; {remedy(version)}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CgroupsUnavailable(f"{where}{error.strerror}; {remedy(version, error.errno)}") from error


def _version(own: Mapping[str, Path]) -> int:
    if all(controller in own for controller in CONTROLLERS):
        return 1
    if "" in own:
        return UNIFIED
    raise CgroupsUnavailable("no control groups of processes and memory are mounted on this machine")


def remedy(version: int | None, code: int | None = None) -> str:
    """Return the remedy for control groups that cannot be used."""
    if code == errno.EROFS:
        return "mount /sys/fs/cgroup read-write in the service's container"
    if version is None:
        return "mount them at /sys/fs/cgroup"
    if version != UNIFIED:
        return (
            "run the service as root, or start the machine with cgroup version 2, which it can be delegated"
        )
    user = "" if os.geteuid() == 0 else "--user "
    return (
        f"start the service with 'systemd-run {user}--scope -p Delegate=yes service-server ...', "
        "or set Delegate=yes in its systemd unit"
    )


def _prepare_separate(own: Mapping[str, Path], name: str) -> CgroupPlan:
    """Make the directories of version 1, where each controller has a hierarchy of its own."""
    memory, pids = (own[controller] / name for controller in CONTROLLERS)
    with ExitStack() as on_failure:
        for directory in {memory, pids}:
            _sweep(directory.parent)
            directory.mkdir(exist_ok=True)
            on_failure.callback(directory.rmdir)
        on_failure.pop_all()
    time, shares = (_make_if_possible(own, each, name) for each in (_TIME_CONTROLLER, _SHARES_CONTROLLER))
    if shares is not None:
        limit_shares(1, shares)
    return CgroupPlan(version=1, memory=str(memory), pids=str(pids), cpu=time, shares=shares)


def clear(plan: CgroupPlan) -> None:
    """Kill the processes that a supervisor has left, and remove their cgroups."""
    for directory in plan.directories:
        _end_runs(Path(directory))


def remove(plan: CgroupPlan) -> None:
    """Remove the directories with their cgroups; with version 2, move processes back."""
    clear(plan)
    for directory in map(Path, plan.directories):
        try:
            if plan.version == UNIFIED:
                _sweep(directory.parent)
                unified_cgroups.tear_down(directory.parent, directory.name)
            else:
                directory.rmdir()
        except (OSError, CgroupsUnavailable) as error:
            _log.warning("left the cgroup %s: %s", directory, error)


def _prepare_unified(own: Path, name: str) -> CgroupPlan:
    base = unified_cgroups.base_of(own)
    _sweep(base)
    runs = str(unified_cgroups.set_up(base, name))
    shares = runs if unified_cgroups.shares_processors(Path(runs)) else None
    if shares is not None:
        limit_shares(UNIFIED, shares)
    return CgroupPlan(version=UNIFIED, memory=runs, pids=runs, cpu=runs, shares=shares)


def _make_if_possible(own: Mapping[str, Path], controller: str, name: str) -> str | None:
    if controller not in own:
        return None
    directory = own[controller] / name
    try:
        _sweep(directory.parent)
        directory.mkdir(exist_ok=True)
    except OSError as error:
        _log.info("the controller %s is not used: %s", controller, error.strerror)
        return None
    return str(directory)


def _sweep(parent: Path) -> None:
    """Remove the directories of engines that are gone, and kill the processes that outlived them."""
    for directory in parent.glob(f"{PREFIX}*"):
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
