import contextlib
import os
import socket
import sys

escapes = []
for directory, directories, files in os.walk("/"):
    if directory == "/":
        directories[:] = [name for name in directories if name not in {"proc", "usr"}]
    escapes.extend(name for name in files if sys.argv[1] in name)
with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as local:
    local.connect(f"\0left-{sys.argv[1]}")
    escapes.append("abstract socket")
with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 45678), timeout=0.3):
    escapes.append("port")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
