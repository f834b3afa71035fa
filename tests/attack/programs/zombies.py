import os
import time

made = 0
for _ in range(1000):
    try:
        if os.fork() == 0:
            os._exit(0)
        made += 1
    except OSError:
        break
time.sleep(0.1)
print("CONTAINED" if made < 1000 else "ESCAPED: a thousand zombies")
