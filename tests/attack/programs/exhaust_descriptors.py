import contextlib
import os

kept = []
with contextlib.suppress(OSError):
    while True:
        kept.append(os.pipe())
print("CONTAINED" if len(kept) < 200 else "ESCAPED: too many files")
