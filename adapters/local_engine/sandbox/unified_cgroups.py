"""Control groups of version 2: a group whose processes have to make room for groups of programs.

The kernel hands controllers down only from a group that has no processes of its own (the root of the whole
hierarchy excepted). All processes that share the service's group, like the shell or `make` that started it,
are therefore moved along with it into one leaf below, and the last engine to stop moves them back.

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
# Not delegated to every service; without it each process has a share of its own.
_PROCESSORS = "cpu"
# What the groups of engines are called, and after them the leaf.
PREFIX = "service_server-"
LEAF = f"{PREFIX}main"
# Where systemd keeps itself and finds itself again.
_OF_THE_FIRST_PROCESS = "init.scope"
_LOCKED_WITHIN_S = 10.0
# Processes may start others while they are being moved.
_MOVED_WITHIN_S = 5.0
_RETRY_S = 0.005


class CgroupsUnavailable(Exception):
    """The cause of there being no control groups, and the remedy if it is known, as clauses.

    Attributes:
        cause: The cause.
        remedy: The remedy; None if it is that of every cause.
    """

    def __init__(self, cause: Text | str, remedy: Text | None = None) -> None:
        super().__init__(cause if remedy is None else text("groups.explained", cause=cause, remedy=remedy))
        self.cause = cause
        self.remedy = remedy


def base_of(own: Path) -> Path:
    """Return the group to share out: this process's own, or the one above if its own is the leaf."""
    return own.parent if own.name == LEAF else own


def set_up(base: Path, name: str) -> Path:
    """Make a group for the groups of runs, which has the controllers, and return its directory.

    Raises:
        CgroupsUnavailable: This group cannot be shared out; it is as it was.
        OSError: The kernel refuses; it is as it was then too.
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
    """Whether each group of a run has the same share of the processors."""
    return _PROCESSORS in _read(runs / "cgroup.subtree_control").split()


def _share_processors(*groups: Path) -> None:
    if _PROCESSORS in _read(groups[0] / "cgroup.controllers").split():
        with suppress(OSError):  # some kernels refuse while the group has real-time processes
            for group in groups:
                (group / "cgroup.subtree_control").write_text(f"+{_PROCESSORS}")


def tear_down(base: Path, name: str) -> None:
    """Remove an engine's group; the last engine moves the leaf's processes back.

    Raises:
        CgroupsUnavailable: Something is still in use, and stays.
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
    """Delegate the controllers to the groups below, after moving processes out of the way if need be."""
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
    """Move the leaf's processes back into the group, which may have no controllers to hand down then."""
    leaf = base / LEAF
    if not leaf.exists():
        return  # the controllers were handed down before
    with suppress(FileNotFoundError):
        if shares_processors(base):
            (base / "cgroup.subtree_control").write_text(f"-{_PROCESSORS}")
        (base / "cgroup.subtree_control").write_text(_switched("-"))
    until = time.monotonic() + _MOVED_WITHIN_S
    while True:
        _move_all(leaf, base, until)
        try:
            leaf.rmdir()
        except OSError as error:  # EBUSY: a process was started in it meanwhile
            if error.errno != errno.EBUSY or time.monotonic() >= until:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _move_all(source: Path, target: Path, until: float) -> None:
    """Move every process, as often as there are new ones.

    Raises:
        CgroupsUnavailable: One of them cannot be moved.
    """
    while (present := _read(source / "cgroup.procs").split()) and time.monotonic() < until:
        for pid in present:
            _move(pid, target)


def _move(pid: str, target: Path) -> None:
    named = text("groups.process", id=pid)
    try:
        if pid == "0":  # which, written, would stand for this process
            named = text("groups.foreign_process")
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        (target / "cgroup.procs").write_text(pid)
    except OSError as error:
        # It has ended, or is ending at this moment.
        if error.errno in {errno.ESRCH, errno.EINVAL}:
            time.sleep(_RETRY_S)
            return
        raise CgroupsUnavailable(
            text("groups.not_movable", process=named, error=str(error.strerror))
        ) from error


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Let no other engine share this group out, or take it back, at the same time."""
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
