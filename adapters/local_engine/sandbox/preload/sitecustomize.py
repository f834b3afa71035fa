"""The preload hook of Python, which holds a prewarmed interpreter in its sandbox until it gets a job.

Python imports a module of this name at the end of its start, before it opens the program. When the hook
returns, Python continues and finds the program in its usual place.

The hook must work with every Python on the machine, so it uses only long-established parts of the standard
library.
"""

import gc
import os
import sys


def hold(status: int, start: int, job: int, program: str) -> None:
    """Wait for a job, and leave no trace of the wait.

    Everything that does not depend on the job is done before it arrives.

    Args:
        status: The descriptor of the status pipe.
        start: The descriptor of the start pipe, on which a line arrives once the job's limits are in force.
        job: The descriptor of a file with the job: the number of arguments and the arguments, each terminated
            by NUL, then the code. The file is read after the start.
        program: The file to write the code to.
    """
    _forget()
    try:
        __import__(__name__)  # the machine's own module, or the same error as without this hook
    finally:
        gc.freeze()  # as in etc/hooks/python/sitecustomize.py
        try:
            os.write(status, b'{"status":"waiting"}\n')
            if not os.read(start, 1):
                os._exit(0)
            os.write(status, b'{"status":"ready"}\n')
            _take(job, program)
            os.close(status)
            os.close(start)
        except BaseException:  # otherwise, Python would continue without the job
            sys.excepthook(*sys.exc_info())
            os._exit(1)


def _take(job: int, program: str) -> None:
    with open(job, "rb") as file:
        number, _, rest = file.read().partition(b"\0")
    *arguments, code = rest.split(b"\0", int(number))
    with open(program, "xb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(code)
    for argv in (sys.argv, getattr(sys, "orig_argv", [])):
        argv.extend(map(os.fsdecode, arguments))


def _forget() -> None:
    """Remove the traces of the hook: its files, its modules, its path and the environment variable.

    Also make stdout line-buffered, as in an interpreter that was not prewarmed.
    """
    here = os.path.dirname(__file__)
    for directory, _, names in os.walk(here, topdown=False):
        for name in names:
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    del os.environ["PYTHONPATH"]
    sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    for module in ("gc", __name__):
        del sys.modules[module]
