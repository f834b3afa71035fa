"""Ends as a sandbox that cannot be made does: with words, codes and signals of bubblewrap, shell and reaper."""

import os

print("bwrap: Creating new namespace failed: Resource temporarily unavailable", flush=True)
os.write(2, b'sh: 1: ulimit: error setting limit\n{"status":"ready"}\n{"status":"building"}\n')
os._exit(127)
