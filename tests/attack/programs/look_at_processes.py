"""Looks for the canary in every process, and for processes that are not its own."""

import contextlib
import glob
import os
import sys

canary = sys.argv[1].encode()[::-1]  # it comes reversed, so that our own command line is no find
escapes = []
for path in glob.glob("/proc/[0-9]*/*") + glob.glob("/proc/[0-9]*/task/*/*"):
    with contextlib.suppress(OSError):
        if os.path.basename(path) in {"environ", "cmdline", "maps", "mountinfo"}:
            with open(path, "rb") as file:
                if canary in file.read(1 << 20):
                    escapes.append(path)
others = [pid for pid in os.listdir("/proc") if pid.isdecimal()]
if len(others) > 3:
    escapes.append(f"processes {others}")
for path in ("/proc/1/environ",):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if (
            b"=" in file.read().replace(b"HOME=/tmp/box", b"").replace(b"TMPDIR=/tmp", b"")
            and canary in file.read()
        ):
            escapes.append(path)
print("ESCAPED: " + repr(escapes) if escapes else "CONTAINED")
