"""Has Python hand on each line of output when it is written, as it does at a terminal.

Python imports a module of this name when it is otherwise ready. It leaves no trace, and the machine's own
module of that name follows.
"""

import os
import sys

here = os.path.dirname(__file__)
del os.environ["PYTHONPATH"], sys.modules[__name__]
sys.path.remove(here)
sys.path_importer_cache.pop(here, None)
if sys.stdout is not None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
__import__(__name__)
