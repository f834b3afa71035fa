"""Holds a Python interpreter at the end of its start, in its sandbox, until there is a job for it.

Python imports a module of this name when it is otherwise ready, and before it looks for the program. After
that it goes on by itself: it finds the program where it would have been from the start.

For any Python that the machine has: the standard library only, and nothing new.
"""

import gc
import os
import sys


def hold(status: int, start: int, job: int, program: str) -> None:
    """Wait for a job, and leave no trace of having waited.

    What can be done before the job comes is done by then.

    Args:
        status: The descriptor of the status pipe.
        start: The descriptor of the start pipe, which brings a line once the limits of the job are in force.
        job: The descriptor of a file with the job: the number of its arguments, the arguments, each ended by
            a NUL, and its code. It is not read before that.
        program: The file that the code is written to.
    """
    _forget()
    try:
        __import__(__name__)  # the one that the machine has, or an error as if this one had never been there
    finally:
        gc.freeze()  # as etc/hooks/python/sitecustomize.py does
        try:
            os.write(status, b'{"status":"waiting"}\n')
            if not os.read(start, 1):
                os._exit(0)
            os.write(status, b'{"status":"ready"}\n')
            _take(job, program)
            os.close(status)
            os.close(start)
        except BaseException:  # Python would go on without the job
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
    """Remove the traces of the wait: files, modules, the path to them and its variable.

    Each line of output is handed on when it is written, as in an interpreter that did not wait.
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
