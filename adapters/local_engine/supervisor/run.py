"""One run: from an order to the end of its last process."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial

from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.child import become
from adapters.local_engine.supervisor.protocol import STAGE_DESCRIPTOR, Event, EventKind, Order
from adapters.local_engine.supervisor.watch import Watch

_NEVER = float("inf")
# What the shell's `times` prints: minutes and seconds, of itself and of its children.
_TIMES = re.compile(rb"(\d+)m(\d+(?:\.\d+)?)s")


class Run:
    """A program that was started, its deadline, and who wants to know.

    The socket that came with the order is the run's life line: it takes the events, and when the engine
    writes to it or closes it, the program is killed.

    Attributes:
        pid: The first process: the leader of its own session and process group.
        deadline: When its time is over, on the monotonic clock.
        is_live: Whether the first process has not been reaped.
        strays: Processes that it left behind, and that are about to end.
    """

    def __init__(
        self, order: Order, descriptors: Sequence[int], watch: Watch, on_quiet: Callable[["Run"], None]
    ) -> None:
        lifeline, *inherited = descriptors
        self._order = order
        self._lifeline = lifeline
        self._watch = watch
        self._on_quiet = on_quiet
        self._usage = processes.Usage()
        self._build_cpu_s = 0.0
        self._built = order.build_timeout_ms is None
        self._timed_out = False
        self._error = ""
        self._wall_s = 0.0
        self._status = 0
        self.strays: set[int] = set()
        self.is_live = True
        self._start(dict(zip((0, 1, 2, *order.descriptors), inherited, strict=True)))
        for descriptor in inherited:
            os.close(descriptor)

    def _start(self, inherited: dict[int, int]) -> None:
        failure, failure_writer = os.pipe()
        stage, stage_writer = os.pipe()
        if not self._built:
            inherited[STAGE_DESCRIPTOR] = stage_writer
        self._started = time.monotonic()
        self.deadline = self._started + (self._order.build_timeout_ms or self._order.timeout_ms) / 1000
        self.pid = os.fork()
        if self.pid == 0:
            become(self._order, inherited, failure_writer)
        os.close(failure_writer)
        os.close(stage_writer)
        # In the order of what they mean: an end is looked at after what came before it.
        self._watch.once(failure, self._exec_happened)
        self._watch.once(stage, self._stage_ended)
        self._watch.once(os.pidfd_open(self.pid), self._first_process_ended)
        self._watch.add(self._lifeline, self._asked_to_stop)

    def time_out(self) -> None:
        """End the run because its time is over."""
        self._timed_out = True
        self.kill()

    def kill(self) -> None:
        """Kill the first process and its group; what else there is follows when that is gone."""
        self.deadline = _NEVER
        if self.is_live:
            processes.kill_group(self.pid)

    def bury(self, strays: set[int]) -> bool:
        """Kill what the first process left behind; return whether nothing is left."""
        for pid in strays:
            processes.kill(pid)
            self.strays.add(pid)
            self._watch.once(os.pidfd_open(pid), partial(self._stray_ended, pid))
        return not self.strays

    def finish(self) -> None:
        """Report the end and let go of the life line."""
        exit_code = os.waitstatus_to_exitcode(self._status)
        self._tell(
            Event(
                kind=EventKind.FAILED if self._error else EventKind.ENDED,
                built=self._built,
                timed_out=self._timed_out,
                exit_code=exit_code if exit_code >= 0 else None,
                signal=-exit_code if exit_code < 0 else None,
                wall_ms=round(self._wall_s * 1000),
                cpu_ms=max(0, round((self._usage.cpu_s - self._build_cpu_s) * 1000)),
                memory_kb=self._usage.memory_kb,
                error=self._error,
            )
        )
        self._watch.remove(self._lifeline)
        os.close(self._lifeline)

    def _tell(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the run is being killed anyway
            os.write(self._lifeline, event.encode())

    def _asked_to_stop(self) -> None:
        self.kill()
        if not _read(self._lifeline):
            self._watch.remove(self._lifeline)

    def _exec_happened(self, descriptor: int) -> None:
        self._error = os.read(descriptor, 256).decode()
        if self._built and not self._error:
            self._tell(Event(kind=EventKind.STARTED))

    def _stage_ended(self, descriptor: int) -> None:
        times = _TIMES.findall(os.read(descriptor, 256))
        if not times:
            return  # there is no build, or it failed and its exit status says how
        self._built = True
        self._build_cpu_s = sum(int(minutes) * 60 + float(seconds) for minutes, seconds in times)
        self._started = time.monotonic()
        if self.is_live and not self._timed_out:
            self.deadline = self._started + self._order.timeout_ms / 1000
        self._tell(Event(kind=EventKind.STARTED))

    def _first_process_ended(self, _descriptor: int) -> None:
        self._wall_s = time.monotonic() - self._started
        self.kill()
        self._status = processes.reap(self.pid, self._usage)
        self.is_live = False
        self._on_quiet(self)

    def _stray_ended(self, pid: int, _descriptor: int) -> None:
        processes.reap(pid, self._usage)
        self.strays.discard(pid)
        self._on_quiet(self)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 16)
    except OSError:  # the engine is gone
        return b""
