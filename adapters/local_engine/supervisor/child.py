"""What happens in a new process between fork and exec."""

import ctypes
import fcntl
import os
import resource
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from adapters.local_engine.supervisor.cgroups import join
from adapters.local_engine.supervisor.protocol import Order
from adapters.local_engine.supervisor.scratch import mount_scratch
from adapters.local_engine.supervisor.views import Place

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127
_FIRST_FREE_DESCRIPTOR = 64
# What Python ignores, and what whoever started the service had it ignore: exec would pass it on.
_IGNORED_SIGNALS = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
_libc = ctypes.CDLL(None, use_errno=True)


def become(
    order: Order, place: Place | None, descriptors: dict[int, int], cgroup: set[str], error: int
) -> NoReturn:
    """Turn this process into the program of an order, or write to `error` why that cannot be.

    Args:
        order: The program.
        place: Where it is to start, if not here.
        descriptors: What is to be inherited: the present descriptor by the number it is to have.
        cgroup: The entrances of the control groups to join.
        error: A pipe that exec closes.
    """
    try:
        join(cgroup)
        os.setsid()
        for number in _IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o077)
        if place is not None:
            place.enter()
        error = fcntl.fcntl(error, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR)
        _place(descriptors)
        if order.scratch is not None:
            mount_scratch(order.scratch, order.user)
        if order.user is not None:
            _become_user(order.user)
        os.chdir(order.directory)
        # A supervisor that is killed takes its programs along. A change of user would clear this.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _limit(order)
        os.execve(order.argv[0], list(order.argv), dict(order.env))  # noqa: S606 - this is the purpose
    except OSError as failure:
        os.write(error, (failure.strerror or "it cannot be started").encode())
    finally:
        os._exit(_CANNOT_START)


def _place(descriptors: dict[int, int]) -> None:
    """Give descriptors their numbers. All others close at exec."""
    aside = {
        number: fcntl.fcntl(present, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR)
        for number, present in descriptors.items()
    }
    for number, present in aside.items():
        os.dup2(present, number)


def _become_user(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _limit(order: Order) -> None:
    for which, soft, hard in attainable(order.allowance.rlimits):
        resource.setrlimit(which, (soft, hard))


def attainable(rlimits: Mapping[str, Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Return limits as setrlimit(2) takes them, but none above that in force, which only root may raise."""
    for name, (soft, hard) in rlimits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        _, ceiling = resource.getrlimit(which)
        if ceiling == resource.RLIM_INFINITY:
            yield which, soft, hard
        else:
            yield which, min(soft, ceiling), min(hard, ceiling)
