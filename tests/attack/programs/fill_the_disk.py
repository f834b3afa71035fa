import contextlib
import os

written = 0
for directory in (".", "/tmp", "/dev/shm", "/dev", "/", "/etc", "/usr", "/proc", "/var/tmp", "/run"):
    for number in range(100):
        with contextlib.suppress(OSError), open(f"{directory}/fill{number}", "wb", buffering=0) as file:
            while True:
                written += file.write(b"x" * (1 << 20))
print("CONTAINED" if written <= 16 << 20 else f"ESCAPED: wrote {written} bytes", os.getcwd())
