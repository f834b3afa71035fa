"""System calls that Python has only from 3.12 on or not at all, and access to files of /proc and cgroups."""

import array
import ctypes
import os
import resource
import signal
import socket
from contextlib import ExitStack, suppress

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
# linux/mount.h
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
_MNT_DETACH = 2
# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_PIECE = 65_536

_libc = ctypes.CDLL(None, use_errno=True)


def setns(descriptor: int, kind: int) -> None:
    """Move this process to a namespace.

    Raises:
        OSError: The kernel refuses. The other calls raise this, too.
    """
    _check(_libc.setns(descriptor, kind))


def unshare(kinds: int) -> None:
    """Move this process to new namespaces, which start as copies."""
    _check(_libc.unshare(kinds))


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Make or change a mount."""
    texts = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _check(_libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]))


def unmount(target: str) -> None:
    """Remove a mount."""
    _check(_libc.umount2(target.encode(), _MNT_DETACH))


def make_mounts_private() -> None:
    """Stop the propagation of mounts between this process's namespace and others."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def forbid_core_dumps() -> None:
    """Keep the kernel from passing core dumps of this process and its descendants to a program of root.

    With a limit of 1, the kernel does not run a piped kernel.core_pattern; with 0 it does (core(5)).
    """
    with suppress(ValueError, OSError):  # an ordinary user cannot raise a hard limit of 0
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its parent."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def end_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, or at once if the parent has ended already.

    This applies until the process changes its user ids.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def pipe(reader_owner: ExitStack, writer_owner: ExitStack) -> tuple[int, int]:
    """Make a pipe; return its reader and its writer, each of which is closed by its owner."""
    reader, writer = os.pipe()
    reader_owner.callback(os.close, reader)
    writer_owner.callback(os.close, writer)
    return reader, writer


def receive(control: socket.socket, size: int, most: int) -> tuple[bytes, list[int], bool]:
    """Receive a message with descriptors, which are close-on-exec from the start.

    socket.recv_fds ignores that flag (CPython 3.11).

    Args:
        control: A Unix socket.
        size: The size of a message, at most.
        most: The number of descriptors in a message, at most.

    Returns:
        The message, empty at the end of the stream; the descriptors; and whether all of them were received.
    """
    descriptors = array.array("i")
    space = socket.CMSG_SPACE(most * descriptors.itemsize)
    message, ancillary, flags, _ = control.recvmsg(size, space, socket.MSG_CMSG_CLOEXEC)
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    return message, list(descriptors), not flags & socket.MSG_CTRUNC


def read(path: str) -> str:
    """Return the content of a file.

    Raises:
        OSError: The file does not exist or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(descriptor, _PIECE):
            pieces.append(piece)
        return b"".join(pieces).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def write(path: str, text: str) -> None:
    """Write to a file in a single call.

    Raises:
        OSError: The kernel refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
