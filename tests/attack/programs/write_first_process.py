"""Takes over the first process of its sandbox, which could then outlive its supervisor or speak for it."""

import contextlib
import os

status = open("/proc/1/status").read()
escapes = [each for each in ("Seccomp:\t2", "CapEff:\t0000000000000000") if each not in status]
for name in ("mem", "maps", "syscall", "environ", "fd/3", "cwd", "root", "exe"):
    for access in (os.O_RDONLY, os.O_RDWR) if name in {"mem", "fd/3"} else (os.O_RDONLY,):
        with contextlib.suppress(OSError):  # permission; some kernels lack some; /proc is read-only
            os.close(os.open(f"/proc/1/{name}", access))
            escapes.append(name)
shell = "/etc/sh"
with contextlib.suppress(OSError):
    os.close(os.open(shell, os.O_RDONLY))
    escapes.append(f"reads {shell}")
with contextlib.suppress(OSError):
    os.chmod(shell, 0o755)
    escapes.append(f"changes {shell}")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
