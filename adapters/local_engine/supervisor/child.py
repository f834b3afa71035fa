"""What happens in a new process between fork and exec."""

import ctypes
import fcntl
import os
import resource
import signal
from typing import NoReturn

from adapters.local_engine.supervisor.protocol import Order

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127
_FIRST_FREE_DESCRIPTOR = 64
_libc = ctypes.CDLL(None, use_errno=True)


def become(order: Order, descriptors: dict[int, int], error: int) -> NoReturn:
    """Turn this process into the program of an order, or write to `error` why that cannot be.

    Args:
        order: The program.
        descriptors: What is to be inherited: the present descriptor by the number it is to have.
        error: A pipe that exec closes.
    """
    try:
        _prepare(order, descriptors)
        os.execve(order.argv[0], list(order.argv), dict(order.env))  # noqa: S606 - this is the purpose
    except OSError as failure:
        os.write(error, (failure.strerror or "it cannot be started").encode())
    finally:
        os._exit(_CANNOT_START)


def _prepare(order: Order, descriptors: dict[int, int]) -> None:
    # A supervisor that is killed takes its programs along.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    # Python ignores these two, and exec would pass that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.umask(0o077)
    _place(descriptors)
    if order.user is not None:
        os.setgroups([])
        os.setresgid(order.user, order.user, order.user)
        os.setresuid(order.user, order.user, order.user)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user clears it
    os.chdir(order.directory)
    for name, (soft, hard) in order.rlimits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), _within(name, soft, hard))


def _place(descriptors: dict[int, int]) -> None:
    """Give descriptors their numbers. All others close at exec."""
    aside = {
        number: fcntl.fcntl(present, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR)
        for number, present in descriptors.items()
    }
    for number, present in aside.items():
        os.dup2(present, number)


def _within(name: str, soft: int, hard: int) -> tuple[int, int]:
    """Keep a limit below the one in force, which only root may raise."""
    _, ceiling = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    if ceiling == resource.RLIM_INFINITY:
        return soft, hard
    return min(soft, ceiling), min(hard, ceiling)
