"""Takes over the first process of its sandbox, which could then outlive its supervisor or speak for it."""

import contextlib
import os

status = open("/proc/1/status").read()
escapes = [each for each in ("Seccomp:\t2", "CapEff:\t0000000000000000") if each not in status]
for name in ("mem", "maps", "syscall", "environ", "fd/3", "cwd", "root", "exe"):
    with contextlib.suppress(PermissionError, FileNotFoundError):  # some kernels lack some
        os.close(os.open(f"/proc/1/{name}", os.O_RDWR if name in {"mem", "fd/3"} else os.O_RDONLY))
        escapes.append(name)
shell = "/etc/sh"
with contextlib.suppress(OSError):
    os.close(os.open(shell, os.O_RDONLY))
    escapes.append(f"reads {shell}")
with contextlib.suppress(OSError):
    os.chmod(shell, 0o755)
    escapes.append(f"changes {shell}")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
