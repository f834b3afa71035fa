"""The filter, interpreted here as the kernel does: no system call is made."""

import errno
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.local_engine.sandbox.seccomp import MACHINES, build, numbers, table

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_KINDS = ("allowed", "counted", "own_user", "refused", "absent")
_REFUSED, _ABSENT = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
# The headers of the C library for kernels: the names and numbers of the machine that runs the tests.
_HEADERS = [
    path
    for directory in ("/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm")
    if (path := Path(directory, "unistd_64.h")).exists()
]
_GENERIC_HEADER = Path("/usr/include/asm-generic/unistd.h")
_OF_64_BITS = {"fstatat": "newfstatat"}
# No kernel has had as many system calls.
_NUMBERS = 1024


def _decide(machine, number, *arguments, audit=None, counts_memory=True, has_own_user=True):
    audit = table()["abi"][machine]["audit"] if audit is None else audit
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps = list(
        struct.iter_unpack("=HBBI", build(machine, counts_memory=counts_memory, has_own_user=has_own_user))
    )
    place = accumulator = 0
    jumps = {0x15: int.__eq__, 0x35: int.__ge__, 0x45: int.__and__}
    while True:
        code, if_true, if_false, value = steps[place]
        place += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            place += value
        else:
            place += if_true if jumps[code](accumulator, value) else if_false


def _number(machine, name):
    return numbers(machine, "allowed")[name]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("counts_memory", [False, True])
def test_the_filter_is_no_longer_than_the_kernel_takes(machine, counts_memory):
    length = len(build(machine, counts_memory=counts_memory, has_own_user=counts_memory))

    assert length % 8 == 0
    assert length // 8 <= 4096


def test_each_call_has_one_fate():
    for machine in MACHINES:
        every = [(name, number) for kind in _KINDS for name, number in numbers(machine, kind).items()]
        assert len(dict(every)) == len({number for _, number in every}) == len(every), machine


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_has_the_fate_that_the_table_gives_it(machine):
    looked_at = table()["conditions"].keys()

    for name, number in numbers(machine, "allowed").items():
        if name not in looked_at:
            assert _decide(machine, number) == _ALLOW, name
    for name, number in numbers(machine, "refused").items():
        assert _decide(machine, number) == _REFUSED, name
    for name, number in numbers(machine, "absent").items():
        assert _decide(machine, number) == _ABSENT, name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_that_the_table_does_not_know_does_not_exist(machine):
    known = {number for kind in _KINDS for number in numbers(machine, kind).values()}

    for number in (*range(_NUMBERS), 0x3FFFFFFF):
        if number not in known:
            assert _decide(machine, number) == _ABSENT, number


@pytest.mark.skipif(not _HEADERS, reason="there are no headers of x86-64 on this machine")
def test_the_table_has_every_call_of_this_machine_s_headers():
    """A call that fails here is a new one: decide on its fate, and put it into syscalls.toml."""
    defined = re.findall(r"^#define __NR_(\w+)\s+(\d+)", _HEADERS[0].read_text(), re.MULTILINE)
    table_of = {name: number for kind in _KINDS for name, number in numbers("x86_64", kind).items()}

    assert {name: int(number) for name, number in defined}.items() - table_of.items() == set()


@pytest.mark.skipif(not _GENERIC_HEADER.exists(), reason="there are no headers of arm64 on this machine")
def test_the_table_has_every_call_of_the_headers_that_arm64_takes():
    """The same for arm64, which has the generic numbers; the ones from 403 to 423 are of 32 bits."""
    text = _GENERIC_HEADER.read_text()
    defined = {
        (_OF_64_BITS.get(name, name), int(number))
        for name, number in re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", text, re.MULTILINE)
        if not 403 <= int(number) <= 423
    }
    table_of = {name: number for kind in _KINDS for name, number in numbers("aarch64", kind).items()}

    unknown = {name for name, _ in defined - table_of.items()}
    assert unknown == {"arch_specific_syscall", "sync_file_range2", "syscalls"}  # of others, and no call


def test_the_table_has_every_call_of_this_machine_s_kernel():
    """A number that fails here is a new call of this kernel: decide on its fate, as above.

    The kernel is asked by a process with no rights, with arguments that are of no use to any call.
    """
    known = {number for kind in _KINDS for number in numbers(os.uname().machine, kind).values()}
    unknown = [number for number in range(_NUMBERS) if number not in known]
    ask = (
        "import ctypes, errno, os, sys\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for number in map(int, sys.argv[1:]):\n"
        "    libc.syscall(number, *[ctypes.c_long(-1)] * 6)\n"
        "    if ctypes.get_errno() != errno.ENOSYS: print(number)\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ask, *map(str, unknown)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_the_end(machine):
    assert _decide(machine, 1, audit=0x40000003) == _KILL


def test_the_x32_interface_is_the_end():
    assert _decide("x86_64", 0x40000000 + 1) == _KILL


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    "flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
)
def test_clone_makes_no_namespace(machine, flag):
    clone = _number(machine, "clone")

    assert _decide(machine, clone, flag | 17) == _ERRNO | errno.EPERM
    assert _decide(machine, clone, 0x3D0F00) == _ALLOW  # what pthread_create asks for


@pytest.mark.parametrize("machine", MACHINES)
def test_only_the_families_that_a_namespace_holds_have_sockets(machine):
    socket = _number(machine, "socket")

    allowed = [family for family in range(64) if _decide(machine, socket, family, 1) == _ALLOW]

    assert allowed == [1, 2, 10]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("family", [1, 2, 10])
@pytest.mark.parametrize("flags", [0, 0x800, 0x80000, 0x80800])
def test_only_types_and_protocols_that_take_no_module_have_sockets(machine, family, flags):
    socket = _number(machine, "socket")

    types = [kind for kind in range(16) if _decide(machine, socket, family, kind | flags) == _ALLOW]
    protocols = [number for number in range(300) if _decide(machine, socket, family, 1, number) == _ALLOW]

    assert types == [1, 2, 3, 5]
    assert protocols == [0, 1, 6, 17, 58, 262]
    assert _decide(machine, socket, family, 6) == _ERRNO | errno.ESOCKTNOSUPPORT
    assert _decide(machine, socket, family, 1, 132) == _ERRNO | errno.EPROTONOSUPPORT


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_types_into_a_terminal(machine):
    ioctl = _number(machine, "ioctl")

    assert _decide(machine, ioctl, 0, 0x5412) == _ERRNO | errno.EPERM
    assert _decide(machine, ioctl, 0, 0x5401) == _ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("command", [1024, 1026])
def test_nobody_takes_a_lease_on_a_file_or_is_told_of_its_use(machine, command):
    fcntl = _number(machine, "fcntl")

    assert _decide(machine, fcntl, 0, command) == _ERRNO | errno.EPERM
    assert _decide(machine, fcntl, 1024, 6) == _ALLOW  # F_SETLK


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_lets_go_of_its_parent(machine):
    prctl = _number(machine, "prctl")

    assert _decide(machine, prctl, 1, 0) == _ERRNO | errno.EPERM
    assert _decide(machine, prctl, 1 << 32 | 1, 0) == _ERRNO | errno.EPERM  # the kernel reads an int
    assert _decide(machine, prctl, 15, 1) == _ALLOW  # PR_SET_NAME


@pytest.mark.parametrize("machine", MACHINES)
def test_options_of_a_process_that_are_not_allowed_do_not_exist(machine):
    prctl = _number(machine, "prctl")

    for option in (22, 35, 59, 62, 78):  # SECCOMP, MM, SYSCALL_USER_DISPATCH, SCHED_CORE, FUTEX_HASH
        assert _decide(machine, prctl, option) == _ERRNO | errno.EINVAL, option


@pytest.mark.parametrize("machine", MACHINES)
def test_a_pair_of_sockets_is_of_this_machine_alone(machine):
    socketpair = _number(machine, "socketpair")

    allowed = [family for family in range(64) if _decide(machine, socketpair, family) == _ALLOW]

    assert allowed == [1]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_program_s_personality_changes_nothing_that_keeps_it_safe(machine):
    personality = _number(machine, "personality")

    assert _decide(machine, personality, 0xFFFFFFFF) == _ALLOW
    assert _decide(machine, personality, 0x0400000) == _REFUSED  # READ_IMPLIES_EXEC


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_that_is_no_process_s_is_for_programs_whose_memory_is_counted(machine):
    for name, number in numbers(machine, "counted").items():
        assert _decide(machine, number, counts_memory=True) == _ALLOW, name
        assert _decide(machine, number, counts_memory=False) == _ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_counts_for_a_user_is_for_programs_with_a_user_of_their_own(machine):
    for name, number in numbers(machine, "own_user").items():
        assert _decide(machine, number, has_own_user=True) == _ALLOW, name
        assert _decide(machine, number, has_own_user=False) == _ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("mask", [0x1, 0x10, 0x20, 0xFFF])
def test_changes_are_watched_and_not_what_others_read(machine, mask):
    add_watch = numbers(machine, "own_user")["inotify_add_watch"]

    assert _decide(machine, add_watch, 3, 0, mask) == _ERRNO | errno.EPERM
    assert _decide(machine, add_watch, 3, 0, 0xFC6) == _ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_a_limit_of_dumps_can_be_asked_for_and_not_set(machine):
    pointer, high_half, core = 0x7FFD_1234_5678, 1 << 32, 4
    for new in (pointer, high_half):
        assert _decide(machine, _number(machine, "setrlimit"), core, new) == _ERRNO
        assert _decide(machine, _number(machine, "prlimit64"), 0, core, new, pointer) == _ERRNO
    assert _decide(machine, _number(machine, "prlimit64"), 0, core, 0, pointer) == _ALLOW
    assert _decide(machine, _number(machine, "prlimit64"), 0, 7, pointer, 0) == _ALLOW
    assert _decide(machine, _number(machine, "setrlimit"), 7, pointer) == _ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_no_program_takes_the_machine_s_huge_pages(machine):
    memfd_create = numbers(machine, "counted")["memfd_create"]

    assert _decide(machine, _number(machine, "mmap"), 0, 1 << 21, 3, 0x40022) == _REFUSED
    assert _decide(machine, _number(machine, "mmap"), 0, 1 << 21, 3, 0x22) == _ALLOW
    assert _decide(machine, memfd_create, 0, 0x4) == _REFUSED
    assert _decide(machine, memfd_create, 0, 0x1) == _ALLOW
