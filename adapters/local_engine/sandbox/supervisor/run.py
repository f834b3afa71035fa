"""One run: from an order to the end of its last process."""

import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.cgroups import Cgroup
from adapters.local_engine.sandbox.supervisor.event_loop import EventLoop
from adapters.local_engine.sandbox.supervisor.protocol import (
    GO,
    MAX_MESSAGE_BYTES,
    STOP,
    ResourceLimits,
    RunEvent,
    RunEventKind,
    SpawnRequest,
    reason_of,
)
from adapters.local_engine.sandbox.supervisor.spawner import Spawned, Spawner
from adapters.local_engine.sandbox.supervisor.status_pipe import StatusPipe, read
from adapters.local_engine.sandbox.supervisor.usage_sampler import TreeCpu, UsageSampler, live_cpu_s

_NEVER = float("inf")
_MIB = 1 << 20
_RETRY_S = 0.02


class Run:
    """A program that was started, its deadlines, and who wants to know.

    The socket that came with the order is the run's life line: it takes the events, and brings a parked
    program its allowance. A program that is ready does not start before the engine's word for it has come.
    When the engine tells it to stop, or closes it, the program is killed.

    Attributes:
        pid: The first process: the leader of its own session and process group.
        is_live: Whether the first process has not been reaped.
        strays: Processes that it left behind, and that are about to end.
        cgroup: The group of all its processes, if there are cgroups.

    Raises:
        OSError: It cannot be started. What there was of it is killed, and its cgroup is discarded. The
            descriptors are still open.
    """

    def __init__(
        self,
        name: str,
        order: SpawnRequest,
        descriptors: Sequence[int],
        spawner: Spawner,
        watch: EventLoop,
        on_quiet: Callable[["Run"], None],
        discard: Callable[[Cgroup], None],
    ) -> None:
        self._control_socket, *inherited = descriptors
        self._order = order
        self._allowance = order.allowance
        self._watch = watch
        self._on_quiet = on_quiet
        self._usage = processes.Usage()
        self._awaited: Callable[[], None] | None = self._parked if order.parks else self._preparations_ended
        self._announced = False
        self._is_building = order.build_timeout_ms is not None
        self._may_start = self._is_told_to_start = False
        self._limit: str | None = None
        self._error = ""
        self._wall_s = 0.0
        self._status = 0
        self._started = time.monotonic()
        self._deadline = self._first_deadline()
        self._next_measurement = _NEVER
        self._meter: UsageSampler | None = None
        self._cpu_before_s = 0.0
        self.orphans: set[int] = set()
        self.is_live = True
        numbered = dict(zip((0, 1, 2, *order.descriptors), inherited, strict=True))
        with ExitStack() as on_failure:
            self.cgroup = self._make_cgroup(name)
            if self.cgroup is not None:
                on_failure.callback(discard, self.cgroup)
            self._memory_notice = self._watch_memory(on_failure)
            spawned = spawner.spawn(order, numbered, self.cgroup.entrances if self.cgroup else ())
            on_failure.callback(spawned.abandon)
            self._status_pipe, self._go, self.pid = StatusPipe(spawned.stage), spawned.go, spawned.pid
            self._counts_cpu = self.cgroup is not None and self.cgroup.counts_cpu
            self._tree_cpu_s = self.cgroup.cpu_s if self.cgroup and self._counts_cpu else TreeCpu(self.pid)
            self._follow(spawned, on_failure)
            on_failure.pop_all()
        if self._is_building:
            self._next_measurement = self._measure(order.build_cpu_time_ms)
        for descriptor in inherited:
            os.close(descriptor)

    @property
    def next_look(self) -> float:
        """When to look at it again, on the monotonic clock."""
        return min(self._deadline, self._next_measurement)

    def look(self, now: float) -> None:
        """End the run if it has exceeded a limit, or go on with an end that failed."""
        self._attempt(partial(self._look, now))

    def _look(self, now: float) -> None:
        if not self.is_live:
            self._deadline = _NEVER
            self._on_quiet(self)
        elif self._deadline <= now:
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
            with contextlib.suppress(OSError):  # it ends all the same
                self._meter.read()
        processes.kill_group(self.pid)

    def reap_orphans(self, orphans: set[int]) -> bool:
        """Kill what the first process left behind; return whether nothing is left.

        Raises:
            OSError: There is no descriptor left to follow it with.
        """
        for pid in orphans:
            processes.kill(pid)
            descriptor = os.pidfd_open(pid)
            self.orphans.add(pid)
            self._watch_for(descriptor, partial(self._orphan_ended, pid, descriptor))
        return not self.orphans

    def finish(self) -> None:
        """Report the end and let go of the life line."""
        self._tell(self._last_event())
        for descriptor in (self._status_pipe.descriptor, self._go, self._memory_notice):
            if descriptor is not None:
                self._watch.close(descriptor)
        self._detach()

    def _last_event(self) -> RunEvent:
        try:
            ended = self._ended()
        except OSError as error:
            ended, self._error = (
                RunEvent(kind=RunEventKind.FAILED, announced=self._announced),
                reason_of(error),
            )
        return replace(ended, kind=RunEventKind.FAILED, error=self._error) if self._error else ended

    def _ended(self) -> RunEvent:
        exit_code, signal = self._status_pipe.how_it_ended(
            self._status, exits_for_signals=self._order.exits_for_signals
        )
        return RunEvent(
            kind=RunEventKind.ENDED,
            announced=self._announced,
            in_build=self._status_pipe.in_build,
            limit=self._limit or self._named(self._limit_of_cgroup()),
            exit_code=exit_code,
            signal=signal,
            wall_ms=round(self._wall_s * 1000),
            cpu_ms=round(1000 * self._cpu_s()),
            memory_kb=self._memory_kb(),
            tree_memory_kb=self._tree_memory_kb(),
        )

    def _memory_kb(self) -> int:
        """Return the program's peak: from its reaper, or, if that was killed with it, from the last look.

        What wait4(2) tells of the first process includes the supervisor that it was made from, and a build:
        it is the program's only if it is more than that.
        """
        if self._status_pipe.report is not None:
            return self._status_pipe.report.memory_kb
        seen_kb = self._meter.largest_kb if self._meter else 0
        has_built = self._order.build_timeout_ms is not None
        own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if has_built or self._usage.memory_kb <= own_kb:
            return seen_kb
        return max(seen_kb, self._usage.memory_kb)

    def _detach(self) -> None:
        """Close the life line. What the engine says last is read: unread, it would undo what was told."""
        self._watch.remove(self._control_socket)
        with socket.socket(fileno=self._control_socket) as control_socket, contextlib.suppress(OSError):
            control_socket.shutdown(socket.SHUT_RD)
            while control_socket.recv(MAX_MESSAGE_BYTES):
                continue

    def _first_deadline(self) -> float:
        if self._order.parks:
            return _NEVER
        return self._started + (self._order.build_timeout_ms or self._allowance.timeout_ms) / 1000

    def _make_cgroup(self, name: str) -> Cgroup | None:
        plan = self._order.cgroup
        if plan is None:
            return None
        memory_mb = max(self._allowance.memory_mb, self._order.build_memory_mb)
        number = max(self._allowance.processes, self._order.build_processes)
        return Cgroup(plan, name, memory_mb * _MIB, number)

    def _watch_memory(self, on_failure: ExitStack) -> int | None:
        notice = self.cgroup.watch_memory() if self.cgroup is not None else None
        if notice is not None:
            on_failure.callback(os.close, notice)
        return notice

    def _follow(self, spawned: Spawned, on_failure: ExitStack) -> None:
        # In the order of what they mean: an end is looked at after what came before it.
        actions: dict[int, Callable[[], None]] = {
            spawned.stage: self._status_spoke,
            spawned.process: partial(self._first_process_ended, spawned.process),
            self._control_socket: self._control_socket_spoke,
        }
        if self._memory_notice is not None:
            actions[self._memory_notice] = self._ran_out_of_memory
        for descriptor, action in actions.items():
            self._watch_for(descriptor, action)
            on_failure.callback(self._watch.remove, descriptor)

    def _watch_for(self, descriptor: int, action: Callable[[], None]) -> None:
        self._watch.add(descriptor, partial(self._attempt, action))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something that may fail, which is the end of this run and of no other one.

        Of a program that has ended nothing is lost: what it left behind is looked for again.
        """
        try:
            action()
        except OSError as error:
            if self.is_live:
                self._error = self._error or reason_of(error)
                self.kill()
            else:
                self._deadline = time.monotonic() + _RETRY_S

    def _status_spoke(self) -> None:
        awaited = self._awaited
        if self._status_pipe.hear(awaits=awaited is not None) and awaited is not None:
            self._awaited = None
            awaited()
        if self._status_pipe.is_over:
            self._watch.remove(self._status_pipe.descriptor)

    def _parked(self) -> None:
        self._cpu_before_s = self._tree_cpu_s() if self._counts_cpu else live_cpu_s(self.pid)
        self._tell(RunEvent(kind=RunEventKind.PARKED))

    def _preparations_ended(self) -> None:
        if self._is_building:
            self._is_building = False
            self._meter, self._next_measurement = None, _NEVER
            self._cpu_before_s = self._tree_cpu_s()
            self._end_limits_of_build()
        self._ready()

    def _end_limits_of_build(self) -> None:
        if self.cgroup is not None:
            self.cgroup.limit_processes(self._allowance.processes)
            try:
                self.cgroup.limit_memory(self._allowance.memory_mb * _MIB)
            except OSError:  # it has more already, and the kernel leaves the build's limit in force
                self._exceed("memory_mb")

    def _control_socket_spoke(self) -> None:
        message = read(self._control_socket)
        if message in (b"", STOP):
            self.kill()
        elif message == GO:
            is_first, self._may_start = not self._may_start, True
            if is_first and self._announced:
                self._start()
        else:
            self._hand_over(ResourceLimits.decode(message))
        if not message:
            self._watch.remove(self._control_socket)

    def _hand_over(self, allowance: ResourceLimits) -> None:
        """Put the limits of a job in force for a parked program. It says when it has them.

        Where the job may start at once, that follows the limits: nobody has to be woken for it.
        """
        self._is_told_to_start = self._may_start
        limits = [
            f"{getattr(resource, f'RLIMIT_{name}')} {soft} {hard}\n"
            for name, (soft, hard) in allowance.rlimits.items()
        ]
        self._started = time.monotonic()
        self._deadline = self._started + allowance.timeout_ms / 1000
        self._awaited = self._ready
        try:
            self._limit_group(allowance)
            os.write(self._go, "".join([*limits, "\n" * self._may_start]).encode())
        except OSError:  # it has ended, or is itself too large already
            self.kill()

    def _limit_group(self, allowance: ResourceLimits) -> None:
        before, self._allowance = self._allowance, allowance
        if self.cgroup is not None and allowance.memory_mb != before.memory_mb:
            self.cgroup.limit_memory(allowance.memory_mb * _MIB)
        if self.cgroup is not None and allowance.processes != before.processes:
            self.cgroup.limit_processes(allowance.processes)

    def _ready(self) -> None:
        """Wait for the word to start the program, which has come already or may take any time."""
        self._announced = True
        self._started = time.monotonic()
        self._deadline = _NEVER
        if self._limit is None:
            self._tell(RunEvent(kind=RunEventKind.READY))
        if self._may_start:
            self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        if not self._is_told_to_start:
            try:
                os.write(self._go, b"\n")
            except OSError:  # it has ended
                self.kill()
        memory_kb = self._allowance.memory_mb << 10 if self._order.samples_memory else None
        next_measurement = self._measure(self._allowance.cpu_time_ms, memory_kb)
        if self.is_live and self._limit is None:
            self._deadline = self._started + self._allowance.timeout_ms / 1000
            self._next_measurement = next_measurement

    def _measure(self, cpu_time_ms: int, memory_kb: int | None = None) -> float:
        """Begin to measure the build or the program; return when to look at it for the first time."""
        self._meter = UsageSampler(
            self.pid, self._tree_cpu_s, cpu_time_ms / 1000, memory_kb, self._cpu_before_s
        )
        return self._started + self._meter.seconds_to_next_look()

    def _ran_out_of_memory(self) -> None:
        if self._memory_notice is not None:
            self._watch.remove(self._memory_notice)
        self._exceed("memory_mb")

    def _exceed(self, limit: str) -> None:
        self._limit = self._limit or self._named(limit)
        self.kill()

    def _first_process_ended(self, descriptor: int) -> None:
        self._wall_s = time.monotonic() - self._started
        self._watch.close(descriptor)
        self._attempt(self._status_spoke)
        self._deadline = self._next_measurement = _NEVER
        processes.kill_group(self.pid)
        self._status = processes.reap(self.pid, self._usage)
        self.is_live = False
        self._on_quiet(self)

    def _orphan_ended(self, pid: int, descriptor: int) -> None:
        self._watch.close(descriptor)
        processes.reap(pid, self._usage)
        self.orphans.discard(pid)
        self._on_quiet(self)

    def _tell(self, event: RunEvent) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the run is being killed anyway
            os.write(self._control_socket, event.encode())

    def _named(self, limit: str | None) -> str | None:
        return f"build_{limit}" if limit and self._is_building else limit

    def _limit_of_cgroup(self) -> str | None:
        if self.cgroup is None:
            return None
        if self.cgroup.ran_out_of_memory():
            return "memory_mb"
        return "processes" if self.cgroup.ran_out_of_processes() else None

    def _cpu_s(self) -> float:
        if self._meter is None:
            return self._usage.cpu_s
        if self._counts_cpu:
            self._meter.read_cpu()
            return self._meter.last_cpu_s
        return max(self._usage.cpu_s - self._meter.cpu_at_start_s, self._meter.last_cpu_s, 0.0)

    def _tree_memory_kb(self) -> int:
        if self.cgroup is not None:  # a build before may have had more than the program ever may
            allowed_mb = self._order.build_memory_mb if self._is_building else self._allowance.memory_mb
            return min(self.cgroup.peak_kb(), allowed_mb << 10)
        return self._meter.peak_kb if self._meter else 0
