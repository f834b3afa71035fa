"""Discovery of a directory in which this process may make cgroups."""

import errno
import logging
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType

from adapters.local_engine.sandbox import unified_cgroups
from adapters.local_engine.sandbox.files import lock_directory
from adapters.local_engine.sandbox.supervisor.cgroups import UNIFIED, CgroupPlan, end, limit_shares
from adapters.local_engine.sandbox.unified_cgroups import CONTROLLERS, PREFIX, CgroupsUnavailable
from domain.catalogue.text import Text, text

_log = logging.getLogger("service_server.local_engine")
_PROCESSES = Path("/proc")
# Version 2 counts processor time without a controller.
_TIME_CONTROLLER = "cpuacct"
_SHARES_CONTROLLER = "cpu"
# Programs can read the name (/proc/self/cgroup), so it is random.
_OURS = re.compile(rf"{PREFIX}[0-9a-f]{{16}}(\.scope)?")
# Locks on the directories of this process, which show other processes that they are in use.
_held: dict[Path, int] = {}
# This directory exists if systemd is the init process (sd_booted(3)).
_SYSTEMD_RUNS = Path("/run/systemd/system")
_SCOPE = ".scope"
_ATTEMPTS = 3
_UNITS = {".service", _SCOPE}
_USER_MANAGER = "user@"
_SCOPE_GONE_WITHIN_S = 5.0
_RETRY_S = 0.005
# systemd sets these attributes on delegated groups: the first one is readable by all users, and the second
# one is set by versions before 251.
_MARKS = ("user.delegate", "trusted.delegate")


def discover(
    process: Path = _PROCESSES / "self", name: str | None = None, supervisor: int | None = None
) -> CgroupPlan:
    """Make a parent directory for the cgroups of runs, in our own cgroup or in a systemd scope.

    Args:
        process: The directory of this process in /proc.
        name: The name of the new directory; None for a random one.
        supervisor: The pid of the supervisor, which may be moved into a scope.

    Raises:
        CgroupsUnavailable: No such directory can be made; the message has the cause and the remedy.
    """
    name = name or f"{PREFIX}{secrets.token_hex(8)}"
    version = None
    try:
        own = _own_directories(process)
        version = _version(own)
        if version != UNIFIED:
            return _prepare_separate(own, name)
        return _prepare_unified(
            own[""], name, None if supervisor is None else process.parent / str(supervisor)
        )
    except (CgroupsUnavailable, OSError) as error:
        raise _explained(error, version) from error


def _explained(error: CgroupsUnavailable | OSError, version: int | None) -> CgroupsUnavailable:
    """Return the error with a remedy."""
    if isinstance(error, CgroupsUnavailable):
        return CgroupsUnavailable(error.cause, error.remedy or remedy(version))
    where = f"{error.filename}: " if error.filename else ""
    return CgroupsUnavailable(f"{where}{error.strerror}", remedy(version, error.errno))


def _version(own: Mapping[str, Path]) -> int:
    if all(controller in own for controller in CONTROLLERS):
        return 1
    if "" in own:
        return UNIFIED
    raise CgroupsUnavailable(text("groups.not_mounted"))


def remedy(version: int | None, code: int | None = None) -> Text:
    """Return the remedy for unusable control groups."""
    if code == errno.EROFS:
        if _SYSTEMD_RUNS.is_dir():
            return text("groups.unprotect")
        return text("groups.mount_writable")
    if version is None:
        return text("groups.mount")
    if version != UNIFIED:
        return text("groups.as_root")
    return text("groups.start_delegated", user="" if os.geteuid() == 0 else "--user ")


def _prepare_separate(own: Mapping[str, Path], name: str) -> CgroupPlan:
    """Make the directories of version 1, where each controller has its own hierarchy."""
    memory, pids = (own[controller] / name for controller in CONTROLLERS)
    with ExitStack() as on_failure:
        for directory in {memory, pids}:
            _sweep(directory.parent)
            _make(directory)
            on_failure.callback(directory.rmdir)
        on_failure.pop_all()
    time, shares = (_make_if_possible(own, each, name) for each in (_TIME_CONTROLLER, _SHARES_CONTROLLER))
    if shares is not None:
        limit_shares(1, shares)
    return CgroupPlan(version=1, memory=str(memory), pids=str(pids), cpu=time, shares=shares)


def clear(plan: CgroupPlan) -> None:
    """Kill the processes that a supervisor left behind, and remove their cgroups."""
    for directory in plan.directories:
        _end_runs(Path(directory))


def renew(plan: CgroupPlan, supervisor: int) -> None:
    """Move a restarted supervisor into the scope of its predecessor, if that had one.

    Raises:
        CgroupsUnavailable: The supervisor cannot be moved; the message has the cause and the remedy.
    """
    if _is_in_scope(plan):
        try:
            _prepare_scope(Path(plan.memory).name, _PROCESSES / str(supervisor))
        except OSError as error:
            raise _explained(error, UNIFIED) from error


def remove(plan: CgroupPlan) -> None:
    """Remove the directories with their cgroups; with version 2, move processes back.

    systemd removes a scope when its last process has ended.
    """
    clear(plan)
    directories = [Path(directory) for directory in plan.directories]
    _release(directories)
    if _is_in_scope(plan):
        _wait_until_gone(Path(plan.memory).parent)
        return
    for directory in directories:
        try:
            if plan.version == UNIFIED:
                _sweep(directory.parent)
                unified_cgroups.tear_down(directory.parent, directory.name)
            else:
                directory.rmdir()
        except (OSError, CgroupsUnavailable) as error:
            _log.warning("cgroup %s could not be removed: %s", directory, error)


def _prepare_unified(own: Path, name: str, supervisor: Path | None) -> CgroupPlan:
    """Divide our own group; if that is not possible, divide one that systemd delegates."""
    base = unified_cgroups.base_of(own)
    if os.statvfs(base).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(base))
    try:
        _ensure_delegated(base)
        return _share_out(base, name)
    except (CgroupsUnavailable, OSError) as error:
        if supervisor is None or not _SYSTEMD_RUNS.is_dir():
            raise
        try:
            return _prepare_scope(name, supervisor)
        except CgroupsUnavailable as refused:
            cause = _explained(error, UNIFIED).cause
            both = text("groups.no_other", cause=cause, refused=refused.cause)
            raise CgroupsUnavailable(both, refused.remedy) from refused


def _share_out(base: Path, name: str) -> CgroupPlan:
    _sweep(base)
    runs = str(unified_cgroups.set_up(base, name))
    _hold(Path(runs))
    shares = runs if unified_cgroups.shares_processors(Path(runs)) else None
    if shares is not None:
        limit_shares(UNIFIED, shares)
    return CgroupPlan(version=UNIFIED, memory=runs, pids=runs, cpu=runs, shares=shares)


def _prepare_scope(name: str, supervisor: Path) -> CgroupPlan:
    """Have systemd delegate a scope with the supervisor in it, and divide that."""
    unit = f"{name}{_SCOPE}"
    _systemd().start_scope(unit, int(supervisor.name))
    base = _own_directories(supervisor)[""]
    if base.name != unit:
        raise CgroupsUnavailable(text("groups.scope_unseen"), text("groups.unprotect"))
    _sweep(base.parent)
    return _share_out(base, name)


def _wait_until_gone(scope: Path) -> None:
    """Wait until systemd has removed a scope; return at once if a process is left in it."""
    until = time.monotonic() + _SCOPE_GONE_WITHIN_S
    while time.monotonic() < until:
        try:
            if "populated 1" in (scope / "cgroup.events").read_text():
                return
        except OSError:  # the scope is removed
            return
        time.sleep(_RETRY_S)
    _log.warning("systemd has not removed %s", scope)


def _is_in_scope(plan: CgroupPlan) -> bool:
    runs = Path(plan.memory)
    return runs.parent.name == f"{runs.name}{_SCOPE}"


def _ensure_delegated(group: Path) -> None:
    """Check that systemd has delegated a group: it stops any other unit in which memory runs out.

    Raises:
        CgroupsUnavailable: The group belongs to a unit without Delegate=yes.
    """
    is_unit = group.suffix in _UNITS or group.is_mount()
    if not is_unit or not _SYSTEMD_RUNS.is_dir() or any(_has(group, mark) for mark in _MARKS):
        return
    # A user owns the groups that are delegated to it. It also owns all others of its manager, so we ask the
    # manager.
    is_of_a_user = group.stat().st_uid != 0
    is_of_a_manager = any(parent.name.startswith(_USER_MANAGER) for parent in group.parents)
    if not is_of_a_user or (is_of_a_manager and not _systemd().is_delegated(group.name)):
        raise CgroupsUnavailable(text("groups.not_delegated", group=str(group)))


def _systemd() -> ModuleType:
    # Most services need no D-Bus, and its library is slow to load.
    from adapters.local_engine.sandbox import systemd_scope  # noqa: PLC0415 - as said above

    return systemd_scope


def _has(group: Path, mark: str) -> bool:
    try:
        return os.getxattr(group, mark) == b"1"
    except OSError:
        return False


def _make_if_possible(own: Mapping[str, Path], controller: str, name: str) -> str | None:
    if controller not in own:
        return None
    directory = own[controller] / name
    try:
        _sweep(directory.parent)
        _make(directory)
    except OSError as error:
        _log.info("the controller %s is not used: %s", controller, error.strerror)
        return None
    return str(directory)


def _sweep(parent: Path) -> None:
    """Remove the directories of engines that have ended, and kill the processes that outlived them."""
    for directory in parent.glob(f"{PREFIX}*"):
        if _OURS.fullmatch(directory.name):
            in_use = directory / directory.stem if directory.suffix == _SCOPE else directory
            with suppress(OSError), _locked(in_use):
                _end_runs(directory)
                directory.rmdir()


def _make(directory: Path) -> None:
    """Make a directory and mark it as in use; retry if another process removes it in between."""
    for _ in range(_ATTEMPTS):
        directory.mkdir(exist_ok=True)
        with suppress(OSError):
            _hold(directory)
            if directory.exists():
                return


def _hold(directory: Path) -> None:
    """Mark a directory as in use for as long as this process lives.

    Raises:
        OSError: Another process is about to remove it.
    """
    descriptor = lock_directory(directory)
    if directory in _held:
        os.close(_held[directory])
    _held[directory] = descriptor


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = lock_directory(directory)
    try:
        yield
    finally:
        os.close(descriptor)


def _release(directories: Iterable[Path]) -> None:
    for directory in directories:
        if (descriptor := _held.pop(directory, None)) is not None:
            os.close(descriptor)


def _end_runs(directory: Path) -> None:
    for group in directory.rglob("run-*/"):
        try:
            end(str(group))
        except FileNotFoundError:
            continue  # removed by systemd, with its scope
        except OSError as error:
            _log.warning("cgroup %s could not be removed: %s", group, error.strerror)


def _own_directories(process: Path) -> Mapping[str, Path]:
    """Return the directories of our cgroup by controller; version 2 has a single one, under ''."""
    mounts = _mounts(process)
    own = {}
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                root, mount = mounts[controller]
                relative = os.path.relpath(path, root)
                # A path outside of the mounted subtree belongs to a parent that we cannot see.
                own[controller] = mount if relative.startswith("..") else mount / relative
    return own


def _mounts(process: Path) -> Mapping[str, tuple[str, Path]]:
    """Return the mounted subtree and the mount point of each controller's hierarchy (proc(5), mountinfo)."""
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
