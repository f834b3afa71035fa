"""Files of /proc about the machine and about others on it: each has to be covered, empty or a program's own."""

import os

COVERED = ("acpi", "asound", "cmdline", "fs", "interrupts", "kcore", "key-users", "keys", "latency_stats", "locks")
COVERED += ("sched_debug", "scsi", "timer_list", "timer_stats", "kmsg", "slabinfo", "kpageflags", "vmallocinfo")
escapes = []
for name in COVERED:
    path = f"/proc/{name}"
    try:
        seen = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(100)
    except OSError:
        continue
    if seen:
        escapes.append(f"{path}: {seen}")
for name in ("sysrq-trigger", "sys/kernel/core_pattern", "sys/vm/drop_caches", "sys/kernel/hostname", "irq/default_smp_affinity"):
    try:
        os.close(os.open(f"/proc/{name}", os.O_WRONLY))
        escapes.append(f"/proc/{name} can be written to")
    except OSError:
        pass
for line in open("/proc/self/cgroup"):
    for name in line.strip().split("/")[1:]:
        # Names of ours are random; decimal numbers would be ids of the machine's processes.
        if any(part.isdecimal() and len(part) < 16 for part in name.split("-")):
            escapes.append(f"/proc/self/cgroup: {name}")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
