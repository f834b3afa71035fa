"""The hook that makes Python flush each line of output, as at a terminal, and end sooner.

Python imports a module of this name at the end of its start. The hook removes its traces, then imports the
machine's own module of the same name.
"""

import gc
import os
import sys

here = os.path.dirname(__file__)
del os.environ["PYTHONPATH"], sys.modules["gc"], sys.modules[__name__]
sys.path.remove(here)
sys.path_importer_cache.pop(here, None)
if sys.stdout is not None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
try:
    __import__(__name__)
finally:
    gc.freeze()  # skips these objects in Python's shutdown, half of the time of a small program
