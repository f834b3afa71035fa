"""Tries to open the paths that it is given, and to find the file by its name."""

import contextlib
import os
import sys

canary, *paths = sys.argv[1:]
escapes = []
for path in [
    *paths,
    "/etc/shadow",
    "/root/.bashrc",
    "/proc/kcore",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/vda",
    "/dev/sda",
]:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.read(1)
        escapes.append(path)
    with contextlib.suppress(OSError):
        os.listdir(path)
        escapes.append(path)
for directory, directories, files in os.walk("/"):
    if directory == "/":
        directories[:] = [name for name in directories if name not in {"proc", "usr"}]
    escapes.extend(os.path.join(directory, name) for name in files if name.startswith("canary"))
for path in (f"/proc/self/root{paths[0]}", f"/proc/1/root{paths[0]}", f"/proc/1/cwd/../..{paths[0]}"):
    with contextlib.suppress(OSError), open(path, "rb"):
        escapes.append(path)
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
