"""Leaves traps for a careless reader or sweeper."""

import contextlib
import os
import socket

for directory in (".", "/tmp", "/dev/shm"):
    os.chdir(directory)
    for number, target in enumerate(("/etc/shadow", "/etc/passwd", "/", "../../../etc", "/proc/self/mem")):
        os.symlink(target, f"link{number}")
    with contextlib.suppress(OSError):
        os.link("/etc/passwd", "hard")
    os.mkfifo("fifo")
    for kind in (0o020666, 0o060666):
        with contextlib.suppress(OSError):
            os.mknod("device", kind, os.makedev(1, 3))
            print("ESCAPED: a device")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    with contextlib.suppress(OSError), open("sparse", "wb") as file:
        file.truncate(1 << 40)
        print("ESCAPED: a large file")
    os.mkdir("-rf")
    os.mkdir("new\nline $(id) `id`")
    os.mkdir("locked", 0)
    for _ in range(200):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    os.chdir("/tmp/box")
print("CONTAINED")
