"""Use the kernel's quotas of a user, of which the program beside it takes all that it gets."""

import ctypes
import os
import select
import signal
import socket
import time

TAKES_S = 3.0
EPOLLS_PART = 0.5
USED = 50
# On a machine with little memory, a program of an ordinary user's service has few open files.
WATCHED = 12

libc = ctypes.CDLL(None, use_errno=True)
until = time.monotonic() + TAKES_S


def timer():
    if libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())) != 0:
        raise OSError(ctypes.get_errno(), "timer_create")


def as_often_as_possible(take):
    count = 0
    try:
        while time.monotonic() < until:
            take()
            count += 1
    except OSError:
        pass
    return count


def pass_descriptors():
    for _ in range(8):
        ours, theirs = socket.socketpair()
        as_often_as_possible(lambda: socket.send_fds(ours, [b"x"], [theirs.fileno()] * 200))
        ours.detach(), theirs.detach()


def watch_everything():
    files, epolls = [], []
    try:
        while True:
            files.append(os.dup(0) if files else os.pipe()[0])
    except OSError:
        pass
    for _ in range(int(len(files) * EPOLLS_PART)):
        os.close(files.pop())
        epolls.append(select.epoll())
    pipe = os.dup(files[0])
    for file in files:
        os.dup2(pipe, file)
    for epoll in epolls:
        for file in files:
            if time.monotonic() > until:
                return
            try:
                epoll.register(file, select.EPOLLIN)
            except OSError:
                return


def take():
    pass_descriptors()
    as_often_as_possible(timer)
    watch_everything()


def take_all():
    reader, writer = os.pipe()
    children = 0
    try:
        while True:
            if os.fork() == 0:
                os.close(reader)
                take()
                os.close(writer)
                time.sleep(60)
                os._exit(0)
            children += 1
    except OSError:
        pass
    os.close(writer)
    os.read(reader, 1)  # until each child has taken what it gets


def use():
    epoll = select.epoll()
    pipe = os.pipe()[0]
    for _ in range(WATCHED):
        epoll.register(os.dup(pipe), select.EPOLLIN)
    for _ in range(USED):
        timer()
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).send(b"x")
    for _ in range(4):
        child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM


if os.environ.get("STAY"):
    take_all()
    os.write(1, b"taken\n")
    time.sleep(60)
else:
    use()
    print("CONTAINED")
