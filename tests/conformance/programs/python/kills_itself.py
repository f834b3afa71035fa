import os, signal

print("now", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
