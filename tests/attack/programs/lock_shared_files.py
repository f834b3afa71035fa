"""Locks that a program takes on files and devices that all see must be in force for itself alone."""

import fcntl
import os
import struct
import time

# An ordinary user's programs have the machine's own devices, as its mounts show, and share copies of files of /etc.
has_all = " /dev/null " not in open("/proc/self/mountinfo").read()
others = ["/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom"] if has_all else []
whole_file = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)
held, escapes = [], []
for path in ["/usr/bin/env", "/usr/bin", *others]:
    held.append(os.open(path, os.O_RDONLY))
    try:
        fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path != "/usr/bin":
            fcntl.fcntl(held[-1], fcntl.F_OFD_SETLK, whole_file)
    except OSError as error:
        escapes.append(f"{path} is locked by another: {error}")
for path in ["/dev/null", "/dev/zero", "/usr/bin/env"]:
    try:
        os.utime(path)
        escapes.append(f"the times of {path}")
    except OSError:
        pass
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED", flush=True)
if "STAY" in os.environ:
    time.sleep(60)
