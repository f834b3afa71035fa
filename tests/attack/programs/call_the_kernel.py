"""System calls that no program here needs: each has to fail."""

import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
X86, ARM = 0, 1
column = X86 if platform.machine() == "x86_64" else ARM
NEW_USER = 0x10000000
buffer = ctypes.create_string_buffer(256)
own = os.open(__file__, os.O_RDONLY)
here = os.open(".", os.O_RDONLY)
CALLS = {
    "ptrace": ((101, 117), (16, 1, 0, 0)),
    "process_vm_writev": ((311, 271), (1, buffer, 1, buffer, 1, 0)),
    "mount": ((165, 40), (b"tmpfs", b"/tmp", b"tmpfs", 0, 0)),
    "umount": ((166, 39), (b"/proc", 2)),
    "chroot": ((161, 51), (b"/tmp",)),
    "pivot_root": ((155, 41), (b"/tmp", b"/tmp")),
    "unshare": ((272, 97), (NEW_USER,)),
    "clone": ((56, 220), (NEW_USER | 17, 0, 0, 0, 0)),
    "clone3": ((435, 435), (buffer, 88)),
    "setns": ((308, 268), (0, 0)),
    "bpf": ((321, 280), (0, buffer, 48)),
    "perf_event_open": ((298, 241), (buffer, 0, -1, -1, 0)),
    "io_uring_setup": ((425, 425), (8, buffer)),
    "keyctl": ((250, 219), (0, -3, 1)),
    "add_key": ((248, 217), (b"user", b"x", b"y", 1, -3)),
    "userfaultfd": ((323, 282), (1,)),
    "open_by_handle_at": ((304, 265), (-100, buffer, 0)),
    "init_module": ((175, 105), (buffer, 8, b"")),
    "kexec_load": ((246, 104), (0, 0, 0, 0)),
    "reboot": ((169, 142), (0xFEE1DEAD, 672274793, 0, 0)),
    "settimeofday": ((164, 170), (buffer, 0)),
    "sethostname": ((170, 161), (b"x", 1)),
    "fsopen": ((430, 430), (b"tmpfs", 0)),
    "open_tree": ((428, 428), (-100, b"/", 1)),
    "semget": ((64, 190), (0, 1, 0o600)),
    "mq_open": ((240, 180), (b"x", os.O_CREAT | os.O_RDWR, 0o600, 0)),
    "inotify_add_watch": ((254, 27), (libc.inotify_init1(0), b"/usr/bin", 0x20)),
    "syncfs": ((306, 267), (here,)),
    "io_setup": ((206, 0), (1, ctypes.create_string_buffer(8))),
    "seccomp": ((317, 277), (2, 0, ctypes.create_string_buffer(4))),
    "to execute all that it may read": ((135, 92), (0x400000,)),
    "core scheduling": ((157, 167), (62, 1, 0, 0, 0)),
    "a lease": ((72, 25), (own, 1024, 0)),
    "dnotify": ((72, 25), (here, 1026, 1)),
    "not to die with the parent": ((157, 167), (1, 0, 0, 0, 0)),
    "a call of the future": ((9999, 9999), ()),
}
escapes = []
for name, (numbers, arguments) in CALLS.items():
    result = libc.syscall(numbers[column], *arguments)
    if result == 0 and name.startswith("clone"):
        os._exit(0)
    if result != -1:
        escapes.append(name)
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
