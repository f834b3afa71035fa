"""One run: from an order to the end of its last process."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from functools import partial

from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.cgroups import Cgroup
from adapters.local_engine.supervisor.child import become
from adapters.local_engine.supervisor.meter import Meter, cpu_s
from adapters.local_engine.supervisor.protocol import STAGE_DESCRIPTOR, Event, EventKind, Order
from adapters.local_engine.supervisor.watch import Watch

_NEVER = float("inf")
_MIB = 1 << 20
_SHELL_SIGNAL_BASE = 128
_HIGHEST_SIGNAL = 64


class Run:
    """A program that was started, its deadlines, and who wants to know.

    The socket that came with the order is the run's life line: it takes the events, and when the engine
    writes to it or closes it, the program is killed.

    Attributes:
        pid: The first process: the leader of its own session and process group.
        is_live: Whether the first process has not been reaped.
        strays: Processes that it left behind, and that are about to end.
        cgroup: The group of all its processes, if there are cgroups.
    """

    def __init__(
        self,
        name: str,
        order: Order,
        descriptors: Sequence[int],
        watch: Watch,
        on_quiet: Callable[["Run"], None],
    ) -> None:
        self._lifeline, *inherited = descriptors
        self._order = order
        self._watch = watch
        self._on_quiet = on_quiet
        self._usage = processes.Usage()
        self._announced = not order.announces_start
        self._limit: str | None = None
        self._error = ""
        self._wall_s = 0.0
        self._status = 0
        self._started = time.monotonic()
        self._deadline = self._started + (order.build_timeout_ms or order.timeout_ms) / 1000
        self._next_measurement = _NEVER
        self._meter: Meter | None = None
        self.strays: set[int] = set()
        self.is_live = True
        self._memory_notice: int | None = None
        self.cgroup = self._make_cgroup(name)
        self.pid = -1
        self._start(dict(zip((0, 1, 2, *order.descriptors), inherited, strict=True)))
        for descriptor in inherited:
            os.close(descriptor)

    @property
    def next_look(self) -> float:
        """When to look at it again, on the monotonic clock."""
        return min(self._deadline, self._next_measurement)

    def look(self, now: float) -> None:
        """End the run if it has exceeded a limit."""
        if self._deadline <= now:
            self._exceed("timeout_ms")
        elif self._meter is not None and self._next_measurement <= now:
            if limit := self._meter.exceeded():
                self._exceed(limit)
            else:
                self._next_measurement = now + self._meter.seconds_to_next_look()

    def kill(self) -> None:
        """Kill the first process and its group; what else there is follows when that is gone.

        Nobody waits for processes that end with their namespace, so what they have used is read before.
        """
        self._deadline = self._next_measurement = _NEVER
        if not self.is_live:
            return
        if self._meter is not None:
            self._meter.read()
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
        exit_code, signal = self._how_it_ended()
        self._tell(
            Event(
                kind=EventKind.FAILED if self._error else EventKind.ENDED,
                announced=self._announced,
                limit=self._limit or self._limit_of_cgroup(),
                exit_code=exit_code,
                signal=signal,
                wall_ms=round(self._wall_s * 1000),
                cpu_ms=round(1000 * self._cpu_s()),
                memory_kb=max(self._usage.memory_kb, self._meter.last_memory_kb if self._meter else 0),
                tree_memory_kb=self._tree_memory_kb(),
                error=self._error,
            )
        )
        for descriptor in (self._lifeline, self._memory_notice):
            if descriptor is not None:
                self._watch.remove(descriptor)
                os.close(descriptor)

    def _make_cgroup(self, name: str) -> Cgroup | None:
        order = self._order
        if order.cgroup is None:
            return None
        memory_mb = max(order.memory_mb, order.build_memory_mb)
        cgroup = Cgroup(order.cgroup, name, memory_mb * _MIB, order.processes)
        self._memory_notice = cgroup.watch_memory()
        return cgroup

    def _start(self, inherited: dict[int, int]) -> None:
        failure, failure_writer = os.pipe()
        stage, stage_writer = os.pipe()
        if not self._announced:
            inherited[STAGE_DESCRIPTOR] = stage_writer
        self.pid = os.fork()
        if self.pid == 0:
            become(self._order, inherited, self.cgroup.entrances if self.cgroup else set(), failure_writer)
        os.close(failure_writer)
        os.close(stage_writer)
        # In the order of what they mean: an end is looked at after what came before it.
        self._watch.once(failure, self._exec_happened)
        self._watch.once(stage, self._stage_ended)
        self._watch.once(os.pidfd_open(self.pid), self._first_process_ended)
        self._watch.add(self._lifeline, self._asked_to_stop)
        if self._memory_notice is not None:
            self._watch.add(self._memory_notice, self._ran_out_of_memory)

    def _exec_happened(self, descriptor: int) -> None:
        self._error = os.read(descriptor, 256).decode()
        if self._announced and not self._error:
            self._program_started()

    def _stage_ended(self, descriptor: int) -> None:
        if not os.read(descriptor, 1):
            return  # there was nothing to announce, or the build failed and its exit status says how
        self._announced = True
        self._started = time.monotonic()
        if self.cgroup is not None and self._order.build_memory_mb:
            with contextlib.suppress(OSError):  # what the build left is larger: the old limit stays
                self.cgroup.limit_memory(self._order.memory_mb * _MIB)
        self._program_started()

    def _program_started(self) -> None:
        self._tell(Event(kind=EventKind.STARTED))
        order = self._order
        memory_kb = order.memory_mb << 10 if order.samples_memory else None
        before_s = cpu_s(self.pid) if order.build_timeout_ms is not None else 0.0
        self._meter = Meter(self.pid, order.cpu_time_ms / 1000, memory_kb, before_s)
        if self.is_live and self._limit is None:
            self._deadline = self._started + order.timeout_ms / 1000
            self._next_measurement = self._started + self._meter.seconds_to_next_look()

    def _ran_out_of_memory(self) -> None:
        if self._memory_notice is not None:
            self._watch.remove(self._memory_notice)
        self._exceed("memory_mb")

    def _exceed(self, limit: str) -> None:
        self._limit = self._limit or limit
        self.kill()

    def _first_process_ended(self, _descriptor: int) -> None:
        self._wall_s = time.monotonic() - self._started
        self._deadline = self._next_measurement = _NEVER
        processes.kill_group(self.pid)
        self._status = processes.reap(self.pid, self._usage)
        self.is_live = False
        self._on_quiet(self)

    def _stray_ended(self, pid: int, _descriptor: int) -> None:
        processes.reap(pid, self._usage)
        self.strays.discard(pid)
        self._on_quiet(self)

    def _asked_to_stop(self) -> None:
        self.kill()
        if not _read(self._lifeline):
            self._watch.remove(self._lifeline)

    def _tell(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the run is being killed anyway
            os.write(self._lifeline, event.encode())

    def _how_it_ended(self) -> tuple[int | None, int | None]:
        """Return the exit code or the signal."""
        code = os.waitstatus_to_exitcode(self._status)
        if self._order.exits_for_signals and 0 < code - _SHELL_SIGNAL_BASE <= _HIGHEST_SIGNAL:
            code = _SHELL_SIGNAL_BASE - code
        return (code, None) if code >= 0 else (None, -code)

    def _limit_of_cgroup(self) -> str | None:
        if self.cgroup is None:
            return None
        if self.cgroup.ran_out_of_memory():
            return "memory_mb"
        return "processes" if self.cgroup.ran_out_of_processes() else None

    def _cpu_s(self) -> float:
        if self._meter is None:
            return self._usage.cpu_s
        return max(self._usage.cpu_s - self._meter.cpu_at_start_s, self._meter.last_cpu_s, 0.0)

    def _tree_memory_kb(self) -> int:
        if self.cgroup is not None:
            return self.cgroup.peak_kb()
        return self._meter.peak_kb if self._meter else 0


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 16)
    except OSError:  # the engine is gone
        return b""
