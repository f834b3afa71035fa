"""Launch plans: a plan is a table of system calls with which the reaper makes a program's sandbox.

The sandbox has the same namespaces, mounts, limits and filter as one made by bubblewrap and the launch
script, but no loader, library or shell has to start. A call with an unexpected result ends the start and
writes the purpose of the call to stderr, so every program that runs has the complete sandbox.

The supervisor fills in the user id maps, because it knows the program's user, and opens the entrances of the
control groups.
"""

import errno
import os
import platform
import resource
import socket
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from adapters.local_engine.sandbox.rootfs import HOME, REAPER
from adapters.local_engine.sandbox.supervisor.kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
)
from adapters.local_engine.sandbox.supervisor.protocol import (
    BOX,
    HOOK_STATUS_DESCRIPTOR,
    MAP_BYTES,
    PLAN_DESCRIPTOR,
    PLAN_ENTRANCES,
    START_DESCRIPTOR,
    STATUS_DESCRIPTOR,
    Status,
)

# These agree with the source of the reaper: the address of the plan; its header with the user id maps and the
# address of the program's frame; a call with its number, the expected result, six arguments, and the address
# and length of its message.
PLAN_ADDRESS = 0x10000000
_HEADER = struct.Struct(f"<{2 * MAP_BYTES}xQ56x")
_CALL = struct.Struct("<qq6QQQ")
_ARGUMENTS = 6
# The offset of the data, which follows the calls.
_DATA = 1 << 15
# Steps of the reaper that are not calls: fork and continue in the child; become the parent of the program.
_FORK, _BECOME_REAPER = -1, -2

# arch/x86/entry/syscalls/syscall_64.tbl
_NUMBERS = {
    "read": 0,
    "write": 1,
    "close": 3,
    "ioctl": 16,
    "socket": 41,
    "chdir": 80,
    "umask": 95,
    "setpriority": 141,
    "setsid": 112,
    "capset": 126,
    "pivot_root": 155,
    "prctl": 157,
    "mount": 165,
    "umount2": 166,
    "sethostname": 170,
    "openat": 257,
    "unshare": 272,
    "dup3": 292,
    "prlimit64": 302,
}
_MACHINE = "x86_64"
# linux/sched.h: NEWCGROUP, NEWUTS, NEWIPC, NEWPID and NEWNET
_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
# linux/prctl.h, linux/capability.h, linux/seccomp.h, linux/sockios.h, linux/if.h, linux/fcntl.h, sys/mount.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = (
    1,
    4,
    22,
    24,
    38,
)
_CAPABILITY_VERSION_3 = 0x20080522
_SECCOMP_MODE_FILTER = 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_AT_FDCWD = (1 << 64) - 100
_O_WRONLY = 1
_MNT_DETACH = 2
_SIGKILL = 9
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
# The first free descriptor after the plan is closed.
_FREE = PLAN_DESCRIPTOR
_HOST_NAME = b"box"
# The size of an instruction of a seccomp filter.
_STEP_BYTES = 8
# The umask of the supervisor, and the umask of programs.
_UMASK, _USUAL_UMASK = 0o077, 0o022
_WORD_BYTES = 8
# The size of an argument or a variable with its end: execve(2), MAX_ARG_STRLEN.
_MOST_TEXT_BYTES = 128 << 10


def is_known(machine: str = platform.machine()) -> bool:
    """Whether the reaper of an architecture can execute plans."""
    return machine == _MACHINE


class Calls:
    """The calls of a plan, and the data that they point to."""

    def __init__(self) -> None:
        self._calls = bytearray()
        self._data = bytearray()

    def keep(self, content: bytes) -> int:
        """Add bytes to the data; return their address."""
        address = PLAN_ADDRESS + _DATA + len(self._data)
        self._data += content + bytes(-len(content) % _WORD_BYTES)
        return address

    def keep_text(self, text: str) -> int:
        """Add a string to the data; return its address.

        Raises:
            OSError: No process can have the string in its command line or environment.
        """
        try:
            encoded = os.fsencode(text)
        except UnicodeEncodeError:
            encoded = b"\0"
        if b"\0" in encoded:
            raise OSError(errno.EINVAL, "its command line or environment is not valid for a process")
        if len(encoded) >= _MOST_TEXT_BYTES:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        return self.keep(encoded + b"\0")

    def call(self, purpose: str, name: str, *arguments: int, expected: int = 0) -> None:
        """Add a call.

        Args:
            purpose: The purpose of the call, for the message of a failure.
            name: The name of the call.
            arguments: Numbers or addresses.
            expected: The expected result; with any other, the start fails.
        """
        self._add(_NUMBERS[name], expected, arguments, purpose)

    def turn(self, number: int, purpose: str) -> None:
        """Add a step of the reaper that is not a call."""
        self._add(number, 0, (), purpose)

    def write(self, path: str, address: int, size: int) -> None:
        """Add the calls that write to a file of the kernel."""
        purpose = f"write to {path}"
        self.call(purpose, "openat", _AT_FDCWD, self.keep_text(path), _O_WRONLY, expected=_FREE)
        self.call(purpose, "write", _FREE, address, size, expected=size)
        self.call(purpose, "close", _FREE)

    def mount(self, source: str | None, target: str, kind: str | None, flags: int) -> None:
        """Add the call that makes a mount."""
        texts = [0 if text is None else self.keep_text(text) for text in (source, target, kind)]
        self.call(f"mount {target}", "mount", *texts, flags, 0)

    def packed(self, argv: Sequence[str], env: Mapping[str, str]) -> bytes:
        """Return the plan of a program: the calls, and the frame of its arguments and environment.

        Args:
            argv: The command line. Its first word is a path, absolute or relative to the program's directory.
            env: The whole environment.

        Raises:
            OSError: No process can have the command line or the environment.
        """
        made = Calls()
        made._data = self._data.copy()
        argv_at = [made.keep_text(text) for text in (REAPER, *argv)]
        env_at = [made.keep_text(f"{name}={value}") for name, value in env.items()]
        words = (len(argv_at), *argv_at, 0, *env_at, 0)
        frame = made.keep(struct.pack(f"<{len(words)}Q", *words))
        calls = _HEADER.pack(frame) + self._calls
        if len(calls) > _DATA:
            raise ValueError("the launch plan has too many calls")
        return bytes(calls + bytes(_DATA - len(calls)) + made._data)

    def _add(self, number: int, expected: int, arguments: Sequence[int], purpose: str) -> None:
        words = f"the kernel refused to {purpose}\n"
        padded = (*arguments, *[0] * (_ARGUMENTS - len(arguments)))
        self._calls += _CALL.pack(number, expected, *padded, self.keep_text(words), len(words))


@lru_cache(maxsize=16)
def calls(
    rlimits: tuple[tuple[str, tuple[int, int]], ...],
    covered: tuple[tuple[str, str], ...],
    seccomp: bytes,
    groups: int,
    *,
    nice: int | None,
    is_prewarmed: bool,
    starts_at_once: bool,
) -> Calls:
    """Return the calls of a plan, which many programs share. The cache holds nothing that is a caller's.

    Args:
        rlimits: The limits.
        covered: Files and directories of /proc, and the empty ones that cover them.
        seccomp: The filter of system calls.
        groups: The number of control groups.
        nice: The nice value; None for the supervisor's.
        is_prewarmed: Whether the program's preload hook reports its status and waits for the start.
        starts_at_once: Whether the program starts without waiting for the start.
    """
    made = Calls()
    _add_namespaces(made)
    if is_prewarmed:
        hook = HOOK_STATUS_DESCRIPTOR
        made.call("pass the status pipe to the hook", "dup3", STATUS_DESCRIPTOR, hook, 0, expected=hook)
    made.turn(_FORK, "create the first process")
    made.call("set the parent death signal", "prctl", _PR_SET_PDEATHSIG, _SIGKILL)
    made.call("start a session", "setsid", expected=1)
    made.call("set the host name", "sethostname", made.keep(_HOST_NAME), len(_HOST_NAME))
    _add_loopback(made)
    _add_root(made, covered)
    if nice is not None:
        made.call("set the nice value", "setpriority", os.PRIO_PROCESS, 0, nice)
    _add_limits(made, rlimits, groups)
    made.call("clear the dumpable flag", "prctl", _PR_SET_DUMPABLE, 0)
    filter_at = made.keep(struct.pack("<H6xQ", len(seccomp) // _STEP_BYTES, made.keep(seccomp)))
    made.call("install the seccomp filter", "prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_at)
    if not is_prewarmed:
        _add_start(made, waits=not starts_at_once)
    made.turn(_BECOME_REAPER, "start the program")
    return made


def _add_start(made: Calls, *, waits: bool) -> None:
    """Add the calls that report READY, when everything is in force: later failures are the program's."""
    line = f"{Status.READY.line}\n".encode()
    made.call(
        "report the status ready", "write", STATUS_DESCRIPTOR, made.keep(line), len(line), expected=len(line)
    )
    if waits:
        purpose = "wait for the start"
        made.call(purpose, "read", START_DESCRIPTOR, made.keep(b"\n"), 1, expected=1)
        made.call(purpose, "close", START_DESCRIPTOR)


def _add_namespaces(made: Calls) -> None:
    made.call("close the plan", "close", PLAN_DESCRIPTOR)
    made.call("set the parent death signal", "prctl", _PR_SET_PDEATHSIG, _SIGKILL)
    # Root owns the files in /proc of a process that is not dumpable.
    made.call("set the dumpable flag", "prctl", _PR_SET_DUMPABLE, 1)
    made.call("set no_new_privs", "prctl", _PR_SET_NO_NEW_PRIVS, 1)
    made.call("create the namespaces", "unshare", _NAMESPACES)
    deny = b"deny"
    made.write("/proc/self/setgroups", made.keep(deny), len(deny))
    made.write("/proc/self/uid_map", PLAN_ADDRESS, MAP_BYTES)
    made.write("/proc/self/gid_map", PLAN_ADDRESS + MAP_BYTES, MAP_BYTES)


def _add_loopback(made: Calls) -> None:
    purpose = "bring up the loopback interface"
    made.call(purpose, "socket", socket.AF_INET, socket.SOCK_DGRAM, 0, expected=_FREE)
    made.call(purpose, "ioctl", _FREE, _SIOCSIFFLAGS, made.keep(struct.pack("16sh22x", b"lo", _IFF_UP)))
    made.call(purpose, "close", _FREE)


def _add_root(made: Calls, covered: Sequence[tuple[str, str]]) -> None:
    """Add the calls that make the program's root filesystem the only one.

    In the new namespaces, each mount of the supervisor's is locked, but a recursive copy can become the root.
    """
    made.mount(None, "/", None, MS_REC | MS_PRIVATE)
    made.mount(BOX, BOX, None, MS_BIND | MS_REC)
    made.mount("proc", f"{BOX}/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, cover in covered:
        made.mount(cover, f"{BOX}{path}", None, MS_BIND)
    here = made.keep_text(".")
    made.call("enter the root filesystem", "chdir", made.keep_text(BOX))
    made.call("change the root filesystem", "pivot_root", here, here)
    made.call("unmount the old root filesystem", "umount2", here, _MNT_DETACH)
    made.call("enter the home directory", "chdir", made.keep_text(HOME))


def _add_limits(made: Calls, rlimits: Sequence[tuple[str, tuple[int, int]]], groups: int) -> None:
    made.call("set the umask", "umask", _USUAL_UMASK, expected=_UMASK)
    for name, pair in rlimits:
        limit_at = made.keep(struct.pack("<2Q", *pair))
        made.call(f"set RLIMIT_{name}", "prlimit64", 0, getattr(resource, f"RLIMIT_{name}"), limit_at, 0)
    for capability in range(int(_LAST_CAPABILITY.read_text()) + 1):
        made.call("drop capabilities", "prctl", _PR_CAPBSET_DROP, capability)
    none = made.keep(struct.pack("<Ii6I", _CAPABILITY_VERSION_3, 0, 0, 0, 0, 0, 0, 0))
    made.call("drop capabilities", "capset", none, none + _WORD_BYTES)
    myself = made.keep(b"0")
    for entrance in PLAN_ENTRANCES[:groups]:
        made.call("enter the control groups", "write", entrance, myself, 1, expected=1)
        made.call("enter the control groups", "close", entrance)
