"""Takes as many processors as there are, in 60 processes; if asked to, each in a session of its own."""

import os
import sys

for _ in range(59):
    if os.fork() == 0:
        if "sessions" in sys.argv:
            os.setsid()
        break
else:
    print("spinning", flush=True)
while True:
    pass
