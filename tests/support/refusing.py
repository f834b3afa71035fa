"""Becomes another program under a filter of system calls: refusing.py KIND COMMAND..."""

import ctypes
import errno
import os
import platform
import struct
import sys

# linux/sched.h: all kinds of namespaces, and user namespaces.
_NAMESPACES, _OF_USERS = 0x7E020080, 0x10000000
_CALLS = {
    "x86_64": {
        "clone": 56,
        "clone3": 435,
        "unshare": 272,
        "mount": 165,
        "pivot_root": 155,
        "sethostname": 170,
        "pidfd_open": 434,
        "close_range": 436,
        "openat2": 437,
        "faccessat2": 439,
        "mount_setattr": 442,
    },
    "aarch64": {
        "clone": 220,
        "clone3": 435,
        "unshare": 97,
        "mount": 40,
        "pivot_root": 41,
        "sethostname": 161,
        "pidfd_open": 434,
        "close_range": 436,
        "openat2": 437,
        "faccessat2": 439,
        "mount_setattr": 442,
    },
}[platform.machine()]
# linux/filter.h, linux/seccomp.h
_LOAD, _EQUAL, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2

# For each kind: the system call, the refused bits of its first argument (None: all calls), and the result.
KINDS = {
    "namespaces": [  # as RestrictNamespaces= of systemd
        ("clone3", None, _ERROR | errno.ENOSYS),
        ("clone", _NAMESPACES, _ERROR | errno.EPERM),
        ("unshare", _NAMESPACES, _ERROR | errno.EPERM),
    ],
    "host names": [("sethostname", None, _ERROR | errno.EPERM)],  # as podman's default profile
    "mounts": [("mount", None, _ERROR | errno.EPERM)],
    "roots": [("pivot_root", None, _ERROR | errno.EPERM)],
    "calls after Linux 5.3": [
        (name, None, _ERROR | errno.ENOSYS)
        for name in ("close_range", "openat2", "faccessat2", "mount_setattr")
    ],
    "calls of Linux 5.3": [(name, None, _ERROR | errno.ENOSYS) for name in ("pidfd_open", "clone3")],
    "mounts, by death": [("mount", None, _KILL)],
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _instructions(kind: str) -> bytes:
    lines = []
    for call, bits, answer in KINDS[kind]:
        rest = [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_HAS_BITS, 0, 1, bits)] if bits else []
        rest.append((_RETURN, 0, 0, answer))
        lines += [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(rest), _CALLS[call]), *rest]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, (_RETURN, 0, 0, _ALLOW)])


def main(kind: str, command: list[str]) -> None:
    """Install the filter, and become another program."""
    code = _instructions(kind)
    text = ctypes.create_string_buffer(code)
    program = _Program(len(code) // 8, ctypes.cast(text, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0:
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter is refused")
    os.execvp(command[0], command)  # noqa: S606 - runs the given command


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
