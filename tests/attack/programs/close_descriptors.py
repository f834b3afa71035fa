import os
import time

os.closerange(0, 1024)
time.sleep(0.2)
os._exit(0)
