"""The fates of system calls, as a program in a sandbox finds them."""

import json
import os
import signal

import pytest

from adapters.local_engine.sandbox.seccomp import numbers
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import has_cgroups, isolated_engine

_MACHINE = os.uname().machine
# The kernel asks no filter about them, and ends a program that calls them elsewhere than in its trampolines.
_UNFILTERED = {"uprobe", "uretprobe"}
# Of each call that it is given, the name of the error that it fails with.
_CALLS = """
import ctypes, errno, json, sys
libc = ctypes.CDLL(None, use_errno=True)
fates = {}
for name, number in json.load(sys.stdin).items():
    ctypes.set_errno(0)
    libc.syscall(number, *[ctypes.c_long(int(sys.argv[1]))] * 6)
    fates[name] = errno.errorcode.get(ctypes.get_errno())
print(json.dumps(fates))
"""
_ENTERS_AS_X32 = """
#include <unistd.h>
int main(void) { return syscall(0x40000000 + 39) > 0; }
"""
_ENTERS_AS_32_BIT = """
int main(void) { long id = 20; __asm__ volatile("int $0x80" : "+a"(id)); return id > 0; }
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


@pytest.mark.parametrize(("kind", "error"), [("refused", "EPERM"), ("absent", "ENOSYS")])
def test_calls_that_no_program_may_make_fail_as_the_table_has_it(kit, kind, error):
    calls = {name: number for name, number in numbers(_MACHINE, kind).items() if name not in _UNFILTERED}

    ended = kit.run(Program(code=_CALLS, args=("-1",), stdin=json.dumps(calls)))

    assert json.loads(ended.stdout) == dict.fromkeys(calls, error), ended.result


def test_memory_that_is_no_process_s_is_there_if_it_is_counted(kit):
    calls = numbers(_MACHINE, "counted")

    fates = json.loads(kit.run(Program(code=_CALLS, args=("0",), stdin=json.dumps(calls))).stdout)

    assert ("EPERM" not in fates.values()) == has_cgroups(kit.engine), fates


@pytest.mark.skipif(_MACHINE != "x86_64", reason="x86-64 alone has other ways into the kernel")
@pytest.mark.parametrize("code", [_ENTERS_AS_X32, _ENTERS_AS_32_BIT])
def test_calls_of_another_architecture_are_never_carried_out(kit, code):
    result = kit.run(Program(language="c", code=code)).result

    # The filter ends the program; some kernels have no such calls, and do that themselves or fail.
    assert result.signal in {signal.SIGSYS, signal.SIGSEGV} or result.exit_code == 0, result


def test_options_of_sockets_are_refused_by_their_level_too(kit):
    code = """
import socket
with socket.socket(socket.AF_INET6) as s:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)   # 26
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    print(s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    try: s.setsockopt(socket.SOL_SOCKET, 26, bytes(16))         # SO_ATTACH_FILTER
    except OSError as error: print(error.strerror)
"""

    assert kit.run(Program(code=code)).stdout == b"1\nOperation not permitted\n"


def test_sockets_are_of_protocols_that_the_kernel_has_without_a_module(kit):
    code = """
import socket
IN, IN6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
STREAM, DGRAM, PACKETS, DCCP = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, 6
TCP, UDP, SCTP, L2TP = 6, 17, 132, 115
for kind in [(IN, STREAM, 0), (IN6, STREAM | socket.SOCK_NONBLOCK, TCP), (IN, DGRAM, UDP), (UNIX, PACKETS, 0),
             (IN, STREAM, SCTP), (IN6, PACKETS, SCTP), (IN, DGRAM, L2TP), (IN, DCCP, 0), (17, DGRAM, 0)]:
    try:
        socket.socket(*kind).close()
        print("made")
    except OSError as error: print(error.strerror)
"""

    seen = kit.run(Program(code=code)).stdout.decode().splitlines()

    refused = ["Protocol not supported"] * 3 + ["Socket type not supported"]
    assert seen == ["made"] * 4 + refused + ["Address family not supported by protocol"]


def test_no_memory_is_merged_with_that_of_other_programs(kit):
    code = """
import mmap
with mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
    pages.madvise(mmap.MADV_MERGEABLE)
    pages.madvise(mmap.MADV_WILLNEED)
    flags = [line.split()[1:] for line in open("/proc/self/smaps") if line.startswith("VmFlags:")]
    print(any("mg" in each for each in flags))
"""

    assert kit.run(Program(code=code)).stdout == b"False\n"
