"""The seccomp filter, which allows programs in a sandbox the system calls that `syscalls.toml` lists.

The filter is a classic BPF program over struct seccomp_data (the kernel's
Documentation/userspace-api/seccomp_filter.rst). It finds a call's number by binary search. The kernel runs
the filter for every number when it is loaded, and later only for calls whose arguments the filter examines.
"""

import errno
import platform
import struct
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("syscalls.toml")
# The columns of a row, by platform.machine().
MACHINES = ("x86_64", "aarch64")

# Offsets in struct seccomp_data. The lower half of an argument is at the lower address.
_NUMBER, _ARCHITECTURE, _ARGUMENTS, _ARGUMENT_SIZE = 0, 4, 16, 8

# linux/bpf_common.h
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP = 0x05  # BPF_JMP | BPF_JA
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_STEP_BYTES = 8
_FARTHEST = 255  # the number of steps that a conditional jump can skip

# linux/seccomp.h
_KILL = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_Fates = Sequence[tuple[int, bytes]]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one struct sock_filter. Jumps give the number of steps to skip."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


_ALLOWED = _step(_RETURN, _ALLOW)
_KILLED = _step(_RETURN, _KILL)


def _fails(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)


_REFUSED = _fails(errno.EPERM)
_WITHOUT_EFFECT = _fails(0)
_ABSENT = _fails(errno.ENOSYS)


def _when(code: int, value: int, then: bytes) -> bytes:
    return _step(code, value, 0, len(then) // _STEP_BYTES) + then


@cache
def table() -> Mapping[str, Any]:
    """Read the table of system calls."""
    with _TABLE.open("rb") as file:
        return tomllib.load(file)


def numbers(machine: str, kind: str) -> Mapping[str, int]:
    """Return the names of the calls of a kind that an architecture has, with their numbers.

    Args:
        machine: One of `MACHINES`.
        kind: "allowed", "counted", "own_user", "refused" or "absent".
    """
    column = MACHINES.index(machine)
    rows = (row for group in table()[kind].values() for row in group.items())
    return {name: row[column] for name, row in rows if column < len(row)}


def build(machine: str = platform.machine(), *, counts_memory: bool, has_own_user: bool) -> bytes:
    """Return the filter for an architecture.

    Args:
        machine: The architecture.
        counts_memory: Whether programs have memory cgroups, which also count memory outside of processes.
        has_own_user: Whether each program has its own user id.

    Raises:
        KeyError: The architecture is not in the table.
    """
    abi = table()["abi"][machine]
    permitted = {"allowed": True, "counted": counts_memory, "own_user": has_own_user, "refused": False}
    steps = [
        _step(_LOAD_WORD, _ARCHITECTURE),
        _step(_IF_EQUAL, abi["audit"], 1),
        _KILLED,
        _step(_LOAD_WORD, _NUMBER),
        _when(_IF_AT_LEAST, abi["other"], _KILLED) if "other" in abi else b"",
        _search(_ranges(_decisions(machine, permitted))),
    ]
    return b"".join(steps)


def _decisions(machine: str, permitted: Mapping[str, bool]) -> Mapping[int, bytes]:
    """Return the steps that decide each call that is not absent, given whether each kind is permitted."""
    conditions = table()["conditions"]
    decisions = {}
    for kind, is_permitted in permitted.items():
        for name, number in numbers(machine, kind).items():
            if not is_permitted:
                decisions[number] = _REFUSED
            else:
                decisions[number] = _looked_at(conditions[name]) if name in conditions else _ALLOWED
    return decisions


def _looked_at(condition: Mapping[str, Any]) -> bytes:
    """Return the steps that decide by an argument, of which the kernel uses only 32 bits."""
    steps = [_step(_LOAD_WORD, _ARGUMENTS + condition["argument"] * _ARGUMENT_SIZE)]
    if "mask" in condition:
        steps.append(_step(_AND, condition["mask"]))
    if (other := condition.get("only_with")) is not None:
        load = _step(_LOAD_WORD, _ARGUMENTS + other["argument"] * _ARGUMENT_SIZE)
        steps = [load, _step(_IF_EQUAL, other["value"], 1), _ALLOWED, *steps]
    if "refused_bits" in condition:
        steps.append(_when(_IF_ANY_BIT, condition["refused_bits"], _REFUSED))
    steps += [_when(_IF_EQUAL, value, _REFUSED) for value in condition.get("refused", {}).values()]
    for value in condition.get("ignored", {}).values():
        null = condition.get("unless_null")
        ignored = _WITHOUT_EFFECT if null is None else _unless_null(null, _WITHOUT_EFFECT)
        steps.append(_when(_IF_EQUAL, value, ignored))
    if "allowed" not in condition:
        return b"".join([*steps, _ALLOWED])
    values, failure = list(condition["allowed"].values()), _fails(getattr(errno, condition["otherwise"]))
    # Each test skips the tests after it, and the failure.
    steps += [_step(_IF_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return b"".join([*steps, failure, _looked_at(condition["then"]) if "then" in condition else _ALLOWED])


def _unless_null(argument: int, then: bytes) -> bytes:
    """Return the steps that allow a call if both halves of a pointer are null; otherwise, `then` decides."""
    low = _ARGUMENTS + argument * _ARGUMENT_SIZE
    halves = (_step(_LOAD_WORD, half) + _step(_IF_EQUAL, 0, 1) + then for half in (low, low + 4))
    return b"".join([*halves, _ALLOWED])


def _ranges(decisions: Mapping[int, bytes]) -> _Fates:
    """Return the first number of each range of numbers with the same decision; the last range is open."""
    every = [(number, decisions.get(number, _ABSENT)) for number in range(max(decisions) + 2)]
    return [next(range_) for _, range_ in groupby(every, key=lambda fate: fate[1])]


def _search(ranges: _Fates) -> bytes:
    """Return the steps that find the range of a number by binary search."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    return b"".join([*_jump_over(ranges[middle][0], lower), upper])


def _jump_over(number: int, lower: bytes) -> Iterator[bytes]:
    """Yield the steps for lower numbers, and before them the jump that skips them for other numbers."""
    steps = len(lower) // _STEP_BYTES
    if steps <= _FARTHEST:
        yield _step(_IF_AT_LEAST, number, steps)
    else:
        yield _step(_IF_AT_LEAST, number, 0, 1)
        yield _step(_JUMP, steps)
    yield lower
