"""The mounts of programs: a root filesystem in which no two concurrent programs share a file.

A lock on a file applies to all processes that have the file open, through any mount. So programs see the
directories of the machine through overlays, which give each program its own files. Devices are nodes in an
overlay. If nodes cannot be made, programs see the machine's devices read-only.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor import rootfs_maker
from adapters.local_engine.sandbox.supervisor.kernel import (
    CLONE_NEWNS,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    read,
    setns,
    unmount,
    unshare,
)
from adapters.local_engine.sandbox.supervisor.protocol import BOX, NOTHING, VIEW, Rootfs

# How long an overlay is used for new programs, as it may keep showing a file that was replaced below it.
_FRESH_S = 60.0
# Escaped characters, such as spaces, in octal digits (proc_pid_mountinfo(5)).
_ESCAPED = re.compile(r"\\(\d{3})")


@dataclass(frozen=True, slots=True)
class BoxMounts:
    """A mount namespace for one program at a time.

    Attributes:
        namespace: The descriptor of the namespace.
        rootfs: The root filesystem in the namespace.
        made_at: The time of its creation on the monotonic clock.
    """

    namespace: int
    rootfs: Rootfs
    made_at: float


class BoxMountsPool:
    """Makes mount namespaces and keeps them for later programs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rootfs: Rootfs | None = None
        self._base = -1
        self._idle: list[BoxMounts] = []

    def prepare(self, rootfs: Rootfs) -> None:
        """Make a root filesystem, unless it is the one made last."""
        if rootfs == self._rootfs:
            return
        base = rootfs_maker.make(rootfs)
        if self._rootfs is not None:
            os.close(self._base)
        self._rootfs, self._base = rootfs, base
        setns(base, CLONE_NEWNS)
        _make_device_nodes()

    def take(self, rootfs: Rootfs) -> BoxMounts:
        """Return a namespace without a program. May move the caller to another namespace.

        Raises:
            OSError: The namespace cannot be made.
        """
        while self._idle:
            mounts = self._idle.pop()
            if self._is_usable(mounts):
                return mounts
            os.close(mounts.namespace)
        setns(self._base, CLONE_NEWNS)
        unshare(CLONE_NEWNS)
        _mount_box()
        namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        return BoxMounts(namespace, rootfs, self._clock())

    def release(self, mounts: BoxMounts) -> None:
        """Take back a namespace after its program has ended."""
        if self._is_usable(mounts):
            self._idle.append(mounts)
        else:
            os.close(mounts.namespace)

    def _is_usable(self, mounts: BoxMounts) -> bool:
        return mounts.rootfs == self._rootfs and self._clock() - mounts.made_at < _FRESH_S


def _mount_box() -> None:
    """Mount the files that a program sees, in its own mount namespace."""
    if not _overlay(VIEW, BOX, MS_NOSUID):
        mount(VIEW, BOX, None, MS_BIND | MS_REC)
    for point, kind in _mounts_below(VIEW).items():
        target = BOX + point.removeprefix(VIEW)
        mode = os.stat(point).st_mode
        is_machine_s = stat.S_ISDIR(mode) and kind != "tmpfs"
        if not (is_machine_s and _overlay(point, target, MS_NOSUID | MS_NODEV)):
            mount(point, target, None, MS_BIND)
        if stat.S_ISCHR(mode):
            _make_unchangeable(target)


def _overlay(source: str, target: str, flags: int) -> bool:
    """Mount an overlay of a directory, with its own files; return False if that is not possible."""
    if not {":", ",", "\\"}.isdisjoint(source):  # these are special in mount options
        return False
    try:
        mount("overlay", target, "overlay", flags | MS_RDONLY, f"lowerdir={NOTHING}:{source}")
    except OSError:
        return False
    return True


def _make_device_nodes() -> None:
    """Replace the machine's devices by new nodes, if the kernel allows that."""
    devices = {path: os.stat(path) for path in _mounts_below(f"{VIEW}/dev")}
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_NOSUID)
    try:
        for path, device in devices.items():
            new = f"{path}.new"
            os.mknod(new, stat.S_IFCHR, device.st_rdev)
            os.chmod(new, stat.S_IMODE(device.st_mode))
            unmount(path)
            os.rename(new, path)
    except PermissionError:
        pass  # ordinary users cannot make nodes, nor can root in some containers
    finally:
        mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_RDONLY)


def _make_unchangeable(path: str) -> None:
    """Keep programs from setting the timestamps of a device, which all users may write to."""
    with suppress(OSError):
        mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | os.statvfs(path).f_flag & 0xF)


def _mounts_below(directory: str) -> Mapping[str, str]:
    """Return the mount points below a directory with their file system types, parents first."""
    found = {}
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        path = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 8)), before.split()[4])
        if path.startswith(f"{directory}/"):
            found[path] = after.split()[0]
    return dict(sorted(found.items()))
