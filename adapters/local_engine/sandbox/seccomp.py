"""A seccomp filter: the system calls that a program in a sandbox may make.

The filter is a program in classic BPF over struct seccomp_data: the kernel's
Documentation/userspace-api/seccomp_filter.rst.
"""

import errno
import platform
import struct
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("syscalls.toml")

# Offsets into struct seccomp_data.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 24, 32

# linux/bpf_common.h
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

# linux/seccomp.h
_KILL = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of linux/sched.h.
_NEW_NAMESPACES = 0x7E020000
# AF_UNIX, AF_INET and AF_INET6: what a network namespace makes harmless. AF_VSOCK, for one, is not.
_FAMILIES = (1, 2, 10)
# TIOCSTI and TIOCLINUX put words into a terminal's mouth.
_TERMINAL_REQUESTS = (0x5412, 0x541C)
# F_SETLEASE keeps others from opening a file that all see, and F_NOTIFY tells what they do there.
_FILE_REQUESTS = (1024, 1026)
# PR_SET_PDEATHSIG, with which the first process of a sandbox would undo that it dies with the supervisor.
# Nothing of a caller's runs in that one; this is a second line.
_PROCESS_REQUESTS = (1,)
# IN_ACCESS, IN_CLOSE_NOWRITE and IN_OPEN tell what others do with the files that all see. The rest is about
# changes, which only a program's own files have. Watches are bounded by fs.inotify's limits of a sandbox's
# user, and are counted by its memory cgroup.
_FORBIDDEN_WATCHES = 0x31
# RLIMIT_CORE, which the supervisor has set to 1: the one value that keeps a piped kernel.core_pattern from
# being run (core(5)). 0, to which any program could set it, does not. A program that forbids its dumps by it
# has what it asks for, so the call succeeds, without effect.
_CORE_LIMIT = 4


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Write one struct sock_filter. Jumps are counted in steps that are left out."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)


def _when(code: int, value: int, then: bytes) -> bytes:
    return _step(code, value, 0, len(then) // 8) + then


def _unless_equal_to(values: Iterable[int], then: bytes) -> bytes:
    values = list(values)
    steps = [_step(_IF_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return b"".join(steps) + then


def _looked_at(number: int, argument: int, decision: bytes) -> bytes:
    """Decide on a system call by the low word of an argument, and else allow it."""
    return _when(_IF_EQUAL, number, _step(_LOAD_WORD, argument) + decision + _step(_RETURN, _ALLOW))


def _kept(number: int, resource: int, limit: int) -> bytes:
    """Leave a resource limit as it is: a call that would set it succeeds without effect.

    Args:
        number: The system call.
        resource: The offset of its argument that names the limit.
        limit: The offset of its argument that points to a new one; a null pointer asks for the present one.
    """
    no_effect = _step(_RETURN, _ERRNO | 0)
    high_word = _step(_LOAD_WORD, limit + 4) + _step(_IF_EQUAL, 0, 1) + no_effect
    low_word = _step(_LOAD_WORD, limit) + _step(_IF_EQUAL, 0, 1) + no_effect
    return _looked_at(number, resource, _when(_IF_EQUAL, _CORE_LIMIT, low_word + high_word))


def _refused_by(number: int, argument: int, values: Iterable[int]) -> bytes:
    refusal = _refuse(errno.EPERM)
    return _looked_at(number, argument, b"".join(_when(_IF_EQUAL, value, refusal) for value in values))


def architectures() -> Mapping[str, Any]:
    """Read the table of system calls by architecture."""
    with _TABLE.open("rb") as file:
        return tomllib.load(file)


def build(machine: str = platform.machine(), *, counts_memory: bool) -> bytes:
    """Write the filter for an architecture.

    Args:
        machine: The architecture.
        counts_memory: Whether programs have memory cgroups, which count memory that is no process's.

    Raises:
        KeyError: The table does not know the architecture.
    """
    table = architectures()[machine]
    not_permitted, not_there = _refuse(errno.EPERM), _refuse(errno.ENOSYS)
    denied = table["denied"] if counts_memory else {**table["denied"], **table["uncounted"]}
    steps = [
        _step(_LOAD_WORD, _ARCHITECTURE),
        _step(_IF_EQUAL, table["audit"], 1),
        _step(_RETURN, _KILL),
        _step(_LOAD_WORD, _NUMBER),
        _when(_IF_AT_LEAST, table["other_abi"], _step(_RETURN, _KILL)) if "other_abi" in table else b"",
        _when(_IF_GREATER, table["newest"], not_there),
        *(_when(_IF_EQUAL, number, not_there) for number in table["absent"].values()),
        *(_when(_IF_EQUAL, number, not_permitted) for number in denied.values()),
        _looked_at(table["clone"], _FIRST_ARGUMENT, _when(_IF_ANY_BIT, _NEW_NAMESPACES, not_permitted)),
        _looked_at(
            table["socket"], _FIRST_ARGUMENT, _unless_equal_to(_FAMILIES, _refuse(errno.EAFNOSUPPORT))
        ),
        _looked_at(
            table["inotify_add_watch"],
            _THIRD_ARGUMENT,
            _when(_IF_ANY_BIT, _FORBIDDEN_WATCHES, not_permitted),
        ),
        _kept(table["setrlimit"], _FIRST_ARGUMENT, _SECOND_ARGUMENT),
        _kept(table["prlimit64"], _SECOND_ARGUMENT, _THIRD_ARGUMENT),
        _refused_by(table["ioctl"], _SECOND_ARGUMENT, _TERMINAL_REQUESTS),
        _refused_by(table["fcntl"], _SECOND_ARGUMENT, _FILE_REQUESTS),
        _refused_by(table["prctl"], _FIRST_ARGUMENT, _PROCESS_REQUESTS),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)
