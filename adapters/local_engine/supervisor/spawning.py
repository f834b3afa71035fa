"""From an order to a first process, or to nothing at all."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.child import become
from adapters.local_engine.supervisor.protocol import GO_DESCRIPTOR, STAGE_DESCRIPTOR, Order
from adapters.local_engine.supervisor.views import Place


@dataclass(frozen=True, slots=True)
class Spawned:
    """A first process, and the descriptors by which it is followed.

    Attributes:
        process: Ready when the process has ended.
        failure: Says why it could not become the program; closed when it has.
        stage: Says that the program starts, or is parked; then what the shell has to say. Does not block.
        go: Takes the limits of a parked program's job; None if the program does not park.
    """

    pid: int
    process: int
    failure: int
    stage: int
    go: int | None

    def abandon(self) -> None:
        """End the process and close everything."""
        processes.end(self.pid)
        for descriptor in (self.process, self.failure, self.stage, self.go):
            if descriptor is not None:
                os.close(descriptor)


def spawn(order: Order, place: Place | None, inherited: Mapping[int, int], entrances: set[str]) -> Spawned:
    """Fork the first process of an order.

    Args:
        order: The program.
        place: Where it is to start, if not here.
        inherited: What it inherits beside our own: the present descriptor by the number it is to have.
        entrances: The entrances of the control groups to join.

    Raises:
        OSError: It cannot be done, and nothing is left of it.
    """
    with ExitStack() as on_failure, ExitStack() as theirs:

        def pipe(ours: int) -> tuple[int, int]:
            ends = os.pipe()
            on_failure.callback(os.close, ends[ours])
            theirs.callback(os.close, ends[1 - ours])
            return ends[ours], ends[1 - ours]

        descriptors = dict(inherited)
        failure, failure_writer = pipe(0)
        stage, stage_writer = pipe(0)
        os.set_blocking(stage, False)
        if order.announces_start:
            descriptors[STAGE_DESCRIPTOR] = stage_writer
        go = None
        if order.parks:
            go, descriptors[GO_DESCRIPTOR] = pipe(1)
        pid = os.fork()
        if pid == 0:
            become(order, place, descriptors, entrances, failure_writer)
        on_failure.callback(processes.end, pid)
        process = os.pidfd_open(pid)
        on_failure.pop_all()
        return Spawned(pid, process, failure, stage, go)
