"""Takes over the first process of the box: it must be worth nothing."""

import contextlib

with contextlib.suppress(OSError):
    regions = [line.split() for line in open("/proc/1/maps") if " r-xp " in line]
    with open("/proc/1/mem", "r+b", buffering=0) as memory:
        for region in regions:
            start, end = (int(part, 16) for part in region[0].split("-"))
            with contextlib.suppress(OSError):
                memory.seek(start)
                memory.write(b"\xcc" * (end - start))
status = open("/proc/1/status").read()
print("CONTAINED" if "Seccomp:\t2" in status and "CapEff:\t0000000000000000" in status else "ESCAPED")
