"""A file system in memory for one program, in a mount namespace of its own."""

import ctypes
import os
from pathlib import Path

from adapters.local_engine.supervisor.protocol import Scratch

# Mounted over in the namespace only. Whatever the program's box is made of, it is not this directory's.
MOUNT_POINT = "/tmp"  # noqa: S108
DIRECTORIES = ("box", "shm")

# linux/sched.h, linux/mount.h
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def mount_scratch(scratch: Scratch, owner: int | None) -> None:
    """Mount a file system of a fixed size with the directories of a box, for this process only.

    An ordinary user needs a user namespace for that; root does not, and becomes somebody else later.

    Raises:
        OSError: The kernel refuses.
    """
    user, group = os.getuid(), os.getgid()
    if owner is None:
        _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    else:
        user = group = owner
        _check(_libc.unshare(_CLONE_NEWNS))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, None)
    options = (
        f"size={scratch.size_mb}m,nr_inodes={scratch.files + len(DIRECTORIES) + 1},mode=0700,"
        f"uid={user},gid={group}"
    )
    _mount("tmpfs", MOUNT_POINT, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    for name in DIRECTORIES:
        directory = Path(MOUNT_POINT, name)
        directory.mkdir()
        os.chown(directory, user, group)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    source_, kind_, options_ = (text.encode() if text else None for text in (source, kind, options))
    _check(_libc.mount(source_, target.encode(), kind_, ctypes.c_ulong(flags), options_))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
