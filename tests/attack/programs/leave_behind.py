import fcntl
import os
import socket
import sys
import time

for directory in (".", "/tmp", "/dev/shm"):
    path = f"{directory}/left-{sys.argv[1]}"
    with open(path, "w") as file:
        file.write("left behind")
locked = open(f"/dev/shm/left-{sys.argv[1]}")
fcntl.flock(locked, fcntl.LOCK_EX)
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"\0left-{sys.argv[1]}")
listener.listen()
server = socket.create_server(("127.0.0.1", 45678))
print("CONTAINED", flush=True)
if os.environ.get("STAY"):
    time.sleep(60)
