import contextlib
import glob
import os

escapes = []
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
if status["NoNewPrivs"].strip() != "1" or status["Seccomp"].strip() != "2":
    escapes.append("new privileges")
if any(int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")):
    escapes.append("capabilities")
if 0 in os.getresuid() or 0 in os.getresgid() or 0 in os.getgroups():
    escapes.append("root")
for mount in open("/proc/self/mountinfo").read().splitlines():
    if "nosuid" not in mount.split()[5]:
        escapes.append(mount)
for change in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.nice(-5)):
    with contextlib.suppress(OSError):
        change()
        escapes.append("a change of user or priority")
for path in (
    "/proc/self/oom_score_adj",
    "/proc/1/oom_score_adj",
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/etc/passwd",
    "/usr/bin/python3",
    "/usr/new",
    "/proc/self/uid_map",
    "/dev/tty",
):
    with contextlib.suppress(OSError), open(path, "w") as file:
        file.write("0" if "oom" in path else "1")
        file.flush()
        escapes.append(path)
if glob.glob("/sys/*") or glob.glob("/home/*") or glob.glob("/var/*"):
    escapes.append("more of the machine than a language needs")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
