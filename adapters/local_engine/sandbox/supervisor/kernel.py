"""System calls of namespaces and mounts, which Python has functions for from 3.12 on, or not at all."""

import ctypes
import os

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
# linux/mount.h
MS_NOSUID = 2
MS_NODEV = 4
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def setns(descriptor: int, kind: int) -> None:
    """Move this process into a namespace.

    Raises:
        OSError: The kernel refuses; so do all of these.
    """
    _check(_libc.setns(descriptor, kind))


def unshare(kinds: int) -> None:
    """Give this process namespaces of its own, which begin as copies."""
    _check(_libc.unshare(kinds))


def mount_tmpfs(target: str, flags: int, options: str) -> None:
    """Mount a file system in memory."""
    _check(_libc.mount(b"tmpfs", target.encode(), b"tmpfs", ctypes.c_ulong(flags), options.encode()))


def make_mounts_private() -> None:
    """Have no mount that is made elsewhere appear in this process's namespace, nor the other way round."""
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
