import os
import time

for _ in range(20):
    if os.fork() == 0:
        kept = bytearray(40 << 20)
        time.sleep(60)
time.sleep(60)
