"""Has Python hand on each line of output when it is written, as it does at a terminal, and end sooner.

Python imports a module of this name when it is otherwise ready. It leaves no trace, and the machine's own
module of that name follows.
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
    gc.freeze()  # Python's end, which is half of a small program's time, need not look at these objects
