"""The filter, interpreted here as the kernel does: no system call is made."""

import errno
import struct

import pytest

from adapters.local_engine.sandbox.seccomp import architectures, build

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_MACHINES = ("x86_64", "aarch64")


def _decide(machine, number, *arguments, audit=None, counts_memory=True):
    audit = architectures()[machine]["audit"] if audit is None else audit
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps = list(struct.iter_unpack("=HBBI", build(machine, counts_memory=counts_memory)))
    place = accumulator = 0
    jumps = {0x15: int.__eq__, 0x25: int.__gt__, 0x35: int.__ge__, 0x45: int.__and__}
    while True:
        code, if_true, if_false, value = steps[place]
        place += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        else:
            place += if_true if jumps[code](accumulator, value) else if_false


@pytest.mark.parametrize("machine", _MACHINES)
def test_the_filter_is_no_longer_than_the_kernel_takes(machine):
    for counts_memory in (False, True):
        assert len(build(machine, counts_memory=counts_memory)) % 8 == 0
        assert len(build(machine, counts_memory=counts_memory)) // 8 <= 4096


@pytest.mark.parametrize("machine", _MACHINES)
def test_every_call_of_the_table_is_refused(machine):
    for name, number in architectures()[machine]["denied"].items():
        assert _decide(machine, number) == _ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", _MACHINES)
def test_what_programs_have_another_way_for_does_not_exist(machine):
    for name, number in architectures()[machine]["absent"].items():
        assert _decide(machine, number) == _ERRNO | errno.ENOSYS, name


@pytest.mark.parametrize("machine", _MACHINES)
def test_every_other_call_is_allowed(machine):
    table = architectures()[machine]
    looked_at = {table["socket"], *table["absent"].values(), *table["denied"].values()}
    for number in range(table["newest"] + 1):
        if number not in looked_at:
            assert _decide(machine, number) == _ALLOW, number


@pytest.mark.parametrize("machine", _MACHINES)
def test_what_came_later_does_not_exist(machine):
    assert _decide(machine, architectures()[machine]["newest"] + 1) == _ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", _MACHINES)
def test_another_architecture_is_the_end(machine):
    assert _decide(machine, 1, audit=0x40000003) == _KILL


def test_the_x32_interface_is_the_end():
    assert _decide("x86_64", 0x40000000 + 1) == _KILL


@pytest.mark.parametrize("machine", _MACHINES)
@pytest.mark.parametrize(
    "flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
)
def test_clone_makes_no_namespace(machine, flag):
    clone = architectures()[machine]["clone"]

    assert _decide(machine, clone, flag | 17) == _ERRNO | errno.EPERM
    assert _decide(machine, clone, 0x3D0F00) == _ALLOW  # what pthread_create asks for


@pytest.mark.parametrize("machine", _MACHINES)
def test_only_the_families_that_a_namespace_holds_have_sockets(machine):
    socket = architectures()[machine]["socket"]

    allowed = [family for family in range(64) if _decide(machine, socket, family) == _ALLOW]

    assert allowed == [1, 2, 10]


@pytest.mark.parametrize("machine", _MACHINES)
def test_nobody_types_into_a_terminal(machine):
    ioctl = architectures()[machine]["ioctl"]

    assert _decide(machine, ioctl, 0, 0x5412) == _ERRNO | errno.EPERM
    assert _decide(machine, ioctl, 0, 0x5401) == _ALLOW


@pytest.mark.parametrize("machine", _MACHINES)
@pytest.mark.parametrize("command", [1024, 1026])
def test_nobody_takes_a_lease_on_a_file_or_is_told_of_its_use(machine, command):
    fcntl = architectures()[machine]["fcntl"]

    assert _decide(machine, fcntl, 0, command) == _ERRNO | errno.EPERM
    assert _decide(machine, fcntl, 1024, 6) == _ALLOW  # F_SETLK


@pytest.mark.parametrize("machine", _MACHINES)
def test_nobody_lets_go_of_its_parent(machine):
    prctl = architectures()[machine]["prctl"]

    assert _decide(machine, prctl, 1, 0) == _ERRNO | errno.EPERM
    assert _decide(machine, prctl, 1 << 32 | 1, 0) == _ERRNO | errno.EPERM  # the kernel reads an int
    assert _decide(machine, prctl, 15, 1) == _ALLOW  # PR_SET_NAME


@pytest.mark.parametrize("machine", _MACHINES)
def test_memory_that_is_no_process_s_is_for_programs_whose_memory_is_counted(machine):
    for name, number in architectures()[machine]["uncounted"].items():
        assert _decide(machine, number, counts_memory=True) == _ALLOW, name
        assert _decide(machine, number, counts_memory=False) == _ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", _MACHINES)
@pytest.mark.parametrize("mask", [0x1, 0x10, 0x20, 0xFFF])
def test_changes_are_watched_and_not_what_others_read(machine, mask):
    add_watch = architectures()[machine]["inotify_add_watch"]

    assert _decide(machine, add_watch, 3, 0, mask) == _ERRNO | errno.EPERM
    assert _decide(machine, add_watch, 3, 0, 0xFC6) == _ALLOW
