"""A program that takes all that it gets of something, or uses a little of it.

Its arguments are `take` or `use`, and the name of a row's test in docs/kernel-quotas.md. `take` writes how much
it has, and holds it; `use` writes "fine", or fails.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import select
import socket
import struct
import sys
import time
from contextlib import suppress

# What refuses more: limits, memory, and the filter of system calls.
_REFUSED = {
    *(errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.ENOLCK),
    *(errno.EPERM, errno.ENOSYS, errno.ETOOMANYREFS),
}
_TAKES_S = 0.3
_X86_64 = platform.machine() == "x86_64"
_libc = ctypes.CDLL(None, use_errno=True)
# struct sock_fprog of linux/filter.h: one step, which takes all of each packet.
_STEPS = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF))
_FILTER = struct.pack("HxxxxxxQ", 1, ctypes.addressof(_STEPS))
_held = []
_until = time.monotonic() + _TAKES_S


def _checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _call(x86_64, aarch64, *arguments):
    return _checked(_libc.syscall(x86_64 if _X86_64 else aarch64, *arguments))


def _as_often_as_possible(take):
    """Call a function until it is refused or the time is over; return how often it succeeded."""
    count = 0
    try:
        while time.monotonic() < _until:
            take()
            count += 1
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    return count


def _by_many(take):
    """Do the same in as many processes as there can be, each of which has limits of its own."""
    reader, writer = os.pipe()
    children = 0
    try:
        while True:
            if os.fork() == 0:
                os.write(writer, b"%d\n" % _as_often_as_possible(take))
                time.sleep(60)
                os._exit(0)
            children += 1
    except BlockingIOError:
        pass
    with os.fdopen(reader) as counts:
        return sum(int(counts.readline()) for _ in range(children))


def _nothing():
    if os.fork() == 0:
        time.sleep(60)


def _pair():
    _held.append(socket.socketpair())
    return _held[-1]


def _pass_descriptors():
    ours, theirs = _pair()
    socket.send_fds(ours, [b"x"], [theirs.fileno()] * 200)


def _watch():
    poll = select.epoll()
    _held.append(poll)
    for file in _files():
        poll.register(file, select.EPOLLIN)


def _files(made=[]):  # noqa: B006 - made once in each process
    made.extend(os.pipe()[0] for _ in range(100 if not made else 0))
    return made


def _inotify():
    descriptor = _checked(_libc.inotify_init())
    for directory in ("/tmp", "/tmp/box", "/dev/shm"):
        _checked(_libc.inotify_add_watch(descriptor, directory.encode(), 0x100))  # IN_CREATE


def _large_pipe():
    _held.append(os.pipe())
    fcntl.fcntl(_held[-1][0], fcntl.F_SETPIPE_SZ, 1 << 20)


def _usual_pipe():
    _large_pipe()
    assert fcntl.fcntl(os.pipe()[0], fcntl.F_GETPIPE_SZ) == 1 << 16, "a pipe is smaller than usual"


def _timer():
    timer = ctypes.c_void_p()
    _checked(_libc.timer_create(1, None, ctypes.byref(timer)))


def _lock_memory():
    area = mmap.mmap(-1, 1 << 14)
    _held.append(area)
    _checked(_libc.mlock(ctypes.byref(ctypes.c_char.from_buffer(area)), ctypes.c_size_t(len(area))))


def _server():
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def _fill_connection(server):
    held = socket.create_connection(server.getsockname()), server.accept()[0]
    _held.append(held)
    for end in held:
        end.setblocking(False)
        try:
            while True:
                end.send(bytes(1 << 16))
        except BlockingIOError:
            continue


def _fill_datagrams():
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.connect(receiver.getsockname())
    _held.append(receiver)
    receiver.setblocking(False)
    for _ in range(64):
        receiver.send(bytes(1 << 15))


def _leave_connection(server):
    _fill_connection(server)
    client, _held[-1] = _held[-1]
    client.close()


def _lock_ranges(places=iter(range(0, 1 << 40, 2))):  # noqa: B008 - the places of one process
    file = _held[0] if _held else os.open("/tmp/locks", os.O_RDWR | os.O_CREAT)
    _held[:1] = [file]
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, next(places))


def _share_memory():
    _checked(_libc.shmget(0, 1 << 12, 0o1600))


def _transfer():
    with _server() as server, socket.create_connection(server.getsockname()) as client:
        with server.accept()[0] as other:
            for _ in range(16):
                client.sendall(bytes(1 << 14))
                assert len(other.recv(1 << 14, socket.MSG_WAITALL)) == 1 << 14


def _datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.connect(ours.getsockname())
        ours.settimeout(5)
        ours.send(bytes(1 << 15))
        assert len(ours.recv(1 << 16)) == 1 << 15


def _some_processes():
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)


def _pass_one():
    ours, theirs = _pair()
    socket.send_fds(ours, [b"x"], [theirs.fileno()])
    assert len(socket.recv_fds(theirs, 1, 1)[1]) == 1


def _socket_filter():
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (26, 51):  # SO_ATTACH_FILTER and SO_ATTACH_REUSEPORT_CBPF of asm-generic/socket.h
        with suppress(PermissionError):
            held.setsockopt(socket.SOL_SOCKET, option, _FILTER)
            _held.append(held)
            return
    raise PermissionError(errno.EPERM, "no filter is taken")


def _huge_page():
    _held.append(mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))


def _terminal():
    for path in ("/dev/ptmx", "/dev/pts/ptmx"):
        try:
            _held.append(os.open(path, os.O_RDWR))
        except FileNotFoundError:
            continue
        return
    raise PermissionError(errno.EPERM, "there are no terminals")


def _refused_calls(attempts=iter([(425, 425), (300, 262), (321, 280), (298, 241), (272, 97), (165, 40)])):  # noqa: B008
    """io_uring_setup, fanotify_init, bpf, perf_event_open, unshare, mount: the first that is not refused counts."""
    for numbers in attempts:
        try:
            _call(*numbers, 0x10000000, 0, 0, 0, 0)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS):
                continue
        return
    raise PermissionError(errno.EPERM, "every call is refused")


_context = ctypes.c_ulong(0)
_name = ctypes.create_string_buffer(b"/queue")
_tcp = _server() if sys.argv[2] in ("tcp", "orphans") else None
_TAKE = {
    "processes": lambda: _as_often_as_possible(_nothing),
    "open_files": lambda: _by_many(lambda: os.open("/dev/null", os.O_RDONLY)),
    "tcp": lambda: _as_often_as_possible(lambda: _fill_connection(_tcp)),
    "udp": lambda: _as_often_as_possible(_fill_datagrams),
    "orphans": lambda: _as_often_as_possible(lambda: _leave_connection(_tcp)),
    "aio": lambda: _as_often_as_possible(lambda: _call(206, 0, 1 << 14, ctypes.byref(ctypes.c_ulong(0)))),
    "refused": lambda: _as_often_as_possible(_refused_calls),
    "socket_filters": lambda: _as_often_as_possible(_socket_filter),
    "huge_pages": lambda: _as_often_as_possible(_huge_page),
    "terminals": lambda: _as_often_as_possible(_terminal),
    "in_flight": lambda: _as_often_as_possible(_pass_descriptors),
    "epoll": lambda: _by_many(_watch),
    "inotify": lambda: _as_often_as_possible(_inotify),
    "pipes": lambda: _as_often_as_possible(_large_pipe),
    "timers": lambda: _as_often_as_possible(_timer),
    "locked_memory": lambda: _as_often_as_possible(_lock_memory),
    "keys": lambda: _as_often_as_possible(lambda: _call(248, 217, b"user", b"a", b"b", 1, -3)),
    "message_queues": lambda: _as_often_as_possible(
        lambda: _call(240, 180, b"q", os.O_CREAT | os.O_RDWR, 0o600, 0)
    ),
    "semaphores": lambda: _as_often_as_possible(lambda: _call(64, 190, 0, 32, 0o1600)),
    "shared_memory": lambda: _as_often_as_possible(_share_memory),
    "locks": lambda: _as_often_as_possible(_lock_ranges),
}
_USE = {
    "processes": _some_processes,
    "open_files": _files,
    "tcp": _transfer,
    "udp": _datagram,
    "orphans": _transfer,
    "in_flight": _pass_one,
    "epoll": _watch,
    "inotify": _inotify,
    "pipes": _usual_pipe,
    "timers": _timer,
    "locked_memory": _lock_memory,
    "shared_memory": _share_memory,
    "locks": _lock_ranges,
}
if sys.argv[1] == "take":
    os.write(1, b"%d\n" % _TAKE[sys.argv[2]]())
    time.sleep(60)
else:
    _USE[sys.argv[2]]()
    os.write(1, b"fine\n")
