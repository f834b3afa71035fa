import contextlib
import os
import signal

with contextlib.suppress(ProcessLookupError):
    os.kill(-1, signal.SIGKILL)
for pid in (1, os.getppid()):
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGSTOP)
print("CONTAINED")
