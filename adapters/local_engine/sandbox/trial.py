"""A test of each step of isolation, in a separate process, to find the step that this machine refuses."""

import os
import subprocess
import sys
from errno import EAGAIN
from pathlib import Path

from adapters.common.obstacles import KILLED, Refusal, error_name, refusal_of
from adapters.local_engine.sandbox.supervisor.probe import DONE

_ROOT = Path(__file__).parents[3]
_TRIAL = """
import sys
sys.path.insert(0, sys.argv[1])
from adapters.local_engine.sandbox.supervisor.probe import main
main()
"""
_TRIED_WITHIN_S = 10.0


def find_refusal(trouble: str = "") -> Refusal | None:
    """Return the first step that fails on this machine; None if all succeed.

    Args:
        trouble: The message of a program that could not be started. It shows a lack of processes that may
            have passed by now.
    """
    try:
        tried = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-I", "-S", "-c", _TRIAL, str(_ROOT)],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TRIED_WITHIN_S,
            check=False,
        )
    except OSError as error:
        return refusal_of(error)
    except subprocess.TimeoutExpired:
        return None
    *steps, last = tried.stdout.decode().splitlines() or [""]
    if last.isdecimal():
        return Refusal(steps[-1], error_name(int(last)))
    if last and last != DONE:
        return Refusal(last, KILLED)
    return Refusal("process", error_name(EAGAIN)) if os.strerror(EAGAIN) in trouble else None
