"""Control groups of version 2, where processes have to be moved to make room for the groups of programs.

The kernel delegates controllers only from groups without processes (except for the root of the hierarchy). So
the service and all other processes in its group, such as the shell or `make` that started it, are moved to a
leaf below the group. The last engine that stops moves them back.

    before                     while engines run                            after
    GROUP: make, serve         GROUP                                        GROUP: make, serve
                               ├── service_server-main: make, serve
                               └── service_server-NAME: the groups of runs
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path

from domain.catalogue.text import Text, text

CONTROLLERS = ("memory", "pids")
# Not delegated to every service. Without this controller, each process has its own share of the processors.
_PROCESSORS = "cpu"
# The prefix of the names of engines' groups and of the leaf.
PREFIX = "service_server-"
LEAF = f"{PREFIX}main"
# The group in which systemd keeps itself, and expects to find itself.
_OF_THE_FIRST_PROCESS = "init.scope"
_LOCKED_WITHIN_S = 10.0
# Processes may start others while they are moved.
_MOVED_WITHIN_S = 5.0
_RETRY_S = 0.005


class CgroupsUnavailable(Exception):
    """Control groups cannot be used.

    Attributes:
        cause: The cause, as a clause.
        remedy: The remedy, as a clause; None for the general one.
    """

    def __init__(self, cause: Text | str, remedy: Text | None = None) -> None:
        super().__init__(cause if remedy is None else text("groups.explained", cause=cause, remedy=remedy))
        self.cause = cause
        self.remedy = remedy


def base_of(own: Path) -> Path:
    """Return the group to divide: this process's own group, or its parent if the own group is the leaf."""
    return own.parent if own.name == LEAF else own


def set_up(base: Path, name: str) -> Path:
    """Make a group with the controllers, as the parent of the groups of runs; return its directory.

    After an error, the base group is unchanged.

    Raises:
        CgroupsUnavailable: The base group cannot be divided.
        OSError: The kernel refuses.
    """
    if base.name == _OF_THE_FIRST_PROCESS:
        raise CgroupsUnavailable(text("groups.first_process", group=str(base)))
    if missing := set(CONTROLLERS) - set((base / "cgroup.controllers").read_text().split()):
        names: Iterable[Text | str] = sorted(missing)
        controllers = reduce(
            lambda first, second: text("engine.not_found_both", first=first, second=second), names
        )
        raise CgroupsUnavailable(text("groups.controllers_missing", controllers=controllers, group=str(base)))
    with _locked(base):
        try:
            _hand_down(base)
            runs = base / name
            runs.mkdir(exist_ok=True)
            (runs / "cgroup.subtree_control").write_text(_switched("+"))
            _share_processors(base, runs)
        except BaseException:
            with suppress(OSError, CgroupsUnavailable):
                _undo(base, name)
            raise
    return runs


def shares_processors(runs: Path) -> bool:
    """Whether the groups of runs have equal shares of the processors."""
    return _PROCESSORS in _read(runs / "cgroup.subtree_control").split()


def _share_processors(*groups: Path) -> None:
    if _PROCESSORS in _read(groups[0] / "cgroup.controllers").split():
        with suppress(OSError):  # some kernels refuse while the group has real-time processes
            for group in groups:
                (group / "cgroup.subtree_control").write_text(f"+{_PROCESSORS}")


def tear_down(base: Path, name: str) -> None:
    """Remove an engine's group; for the last engine, move the processes of the leaf back.

    Raises:
        CgroupsUnavailable: A group is still in use and is left in place.
        OSError: The same.
    """
    with _locked(base):
        _undo(base, name)


def _undo(base: Path, name: str) -> None:
    with suppress(FileNotFoundError):
        (base / name).rmdir()
    if all(group.name == LEAF for group in base.glob(f"{PREFIX}*/")):
        _take_back(base)


def _hand_down(base: Path) -> None:
    """Delegate the controllers to child groups, after moving processes out of the way if necessary."""
    control = base / "cgroup.subtree_control"
    if set(CONTROLLERS) <= set(_read(control).split()):
        return
    until = time.monotonic() + _MOVED_WITHIN_S
    while True:
        try:
            control.write_text(_switched("+"))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        else:
            return
        if time.monotonic() >= until:
            raise CgroupsUnavailable(text("groups.too_fast", group=str(base)))
        leaf = base / LEAF
        leaf.mkdir(exist_ok=True)
        _move_all(base, leaf, until)


def _take_back(base: Path) -> None:
    """Stop delegating the controllers, and move the processes of the leaf back to the group."""
    leaf = base / LEAF
    if not leaf.exists():
        return  # the controllers were delegated before any engine started
    with suppress(FileNotFoundError):
        if shares_processors(base):
            (base / "cgroup.subtree_control").write_text(f"-{_PROCESSORS}")
        (base / "cgroup.subtree_control").write_text(_switched("-"))
    until = time.monotonic() + _MOVED_WITHIN_S
    while True:
        _move_all(leaf, base, until)
        try:
            leaf.rmdir()
        except OSError as error:  # EBUSY: a process was started in the leaf meanwhile
            if error.errno != errno.EBUSY or time.monotonic() >= until:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _move_all(source: Path, target: Path, until: float) -> None:
    """Move every process, and repeat this as long as there are new ones.

    Raises:
        CgroupsUnavailable: A process cannot be moved.
    """
    while (present := _read(source / "cgroup.procs").split()) and time.monotonic() < until:
        for pid in present:
            _move(pid, target)


def _move(pid: str, target: Path) -> None:
    named = text("groups.process", id=pid)
    try:
        if pid == "0":  # a process of another namespace; writing 0 would move this process
            named = text("groups.foreign_process")
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        (target / "cgroup.procs").write_text(pid)
    except OSError as error:
        # The process has ended or is ending.
        if error.errno in {errno.ESRCH, errno.EINVAL}:
            time.sleep(_RETRY_S)
            return
        raise CgroupsUnavailable(
            text("groups.not_movable", process=named, error=str(error.strerror))
        ) from error


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Keep other engines from dividing or restoring this group at the same time."""
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    until = time.monotonic() + _LOCKED_WITHIN_S
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise CgroupsUnavailable(text("groups.locked", group=str(base))) from None
                time.sleep(_RETRY_S)
            else:
                break
        yield
    finally:
        os.close(descriptor)


def _switched(sign: str) -> str:
    return " ".join(f"{sign}{controller}" for controller in CONTROLLERS)


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text()
    return ""
