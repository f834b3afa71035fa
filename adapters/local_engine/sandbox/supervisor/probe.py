"""A process that tries the steps of isolation one by one and reports how far it gets.

It writes the name of each step before the step, and after a failure the error number. If the output ends with
the name of a step, that step killed the process, as seccomp filters do.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from adapters.local_engine.sandbox.supervisor import kernel
from adapters.local_engine.sandbox.supervisor.privileges import has_privileges, uncover_processes

# Any user other than root, to whom the kernel's limits do not apply.
_USER = 60_578
# linux/prctl.h, linux/sockios.h, linux/if.h
_PR_SET_DUMPABLE = 4
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_NAMESPACES: Mapping[str, int] = {
    "mnt": kernel.CLONE_NEWNS,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
}
# The directory where bubblewrap makes a sandbox.
_PLACE = "/tmp"  # noqa: S108 - a tmpfs in a private mount namespace
_STDOUT = 1
DONE = "done"
_libc = ctypes.CDLL(None, use_errno=True)


def _hold_process() -> None:
    os.close(os.pidfd_open(os.getpid()))


def _own_mounts() -> None:
    if has_privileges():
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.make_mounts_private()
        uncover_processes()


def _leave_root() -> None:
    if has_privileges():
        os.setgroups([])
        os.setresgid(_USER, _USER, _USER)
        os.setresuid(_USER, _USER, _USER)
        _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # otherwise, root would own its files in /proc


def _map_ids(maps: Mapping[str, str]) -> None:
    for name, text in maps.items():
        kernel.write(f"/proc/self/{name}", text)


def _mount_tmpfs() -> None:
    kernel.mount("tmpfs", _PLACE, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")


def _mount_proc() -> None:
    """Mount /proc, as the first process of the new process namespace."""
    pid = os.fork()
    if pid == 0:
        try:
            os.mkdir(f"{_PLACE}/proc")
            kernel.mount(
                "proc", f"{_PLACE}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
            )
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise OSError(code, os.strerror(code))


def _change_root() -> None:
    os.chdir(_PLACE)
    if _libc.pivot_root(b".", b".") != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _set_host_name() -> None:
    socket.sethostname("box")


def _start_loopback() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as route:
        fcntl.ioctl(route, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def _steps() -> Iterator[tuple[str, Callable[[], None]]]:
    yield "pidfd", _hold_process
    yield "mnt", _own_mounts
    yield "users", _leave_root
    maps = {"setgroups": "deny"}
    for name, number in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        maps[name] = f"{number} {number} 1"
    yield "user", partial(kernel.unshare, kernel.CLONE_NEWUSER)
    yield "ids", partial(_map_ids, maps)
    for name, kind in _NAMESPACES.items():
        yield name, partial(kernel.unshare, kind)
    yield "host name", _set_host_name
    yield "private mounts", kernel.make_mounts_private
    yield "tmpfs", _mount_tmpfs
    yield "proc", _mount_proc
    yield "root", _change_root
    yield "loopback", _start_loopback


def main() -> None:
    """Take the steps, and report them on stdout."""
    for name, step in _steps():
        os.write(_STDOUT, f"{name}\n".encode())
        try:
            step()
        except OSError as error:
            os.write(_STDOUT, f"{error.errno}\n".encode())
            return
    os.write(_STDOUT, f"{DONE}\n".encode())
