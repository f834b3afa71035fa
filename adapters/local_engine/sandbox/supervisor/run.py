"""A run, from its spawn request to the end of its last process."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.cgroups import Cgroup
from adapters.local_engine.sandbox.supervisor.control_socket import ControlSocket
from adapters.local_engine.sandbox.supervisor.event_loop import EventLoop
from adapters.local_engine.sandbox.supervisor.ownership import start_owning
from adapters.local_engine.sandbox.supervisor.privileges import limit
from adapters.local_engine.sandbox.supervisor.protocol import (
    START,
    STOP,
    ResourceLimits,
    RunEvent,
    SpawnRequest,
    Status,
    is_shortage,
    reason_of,
)
from adapters.local_engine.sandbox.supervisor.run_usage import RunUsage
from adapters.local_engine.sandbox.supervisor.scheduling import give_way
from adapters.local_engine.sandbox.supervisor.spawner import Spawned, Spawner
from adapters.local_engine.sandbox.supervisor.status_pipe import StatusPipe
from adapters.local_engine.sandbox.supervisor.usage_sampler import tree

# The exit code of the reaper if a system call of its own fails.
_REAPER_FAILED = 127
# The first process exits with the sum of this and the signal that killed the reaper.
_SIGNALED = 128
_NEVER = float("inf")
_MIB = 1 << 20
# The time for making a sandbox, generous for busy machines. The program's own time has not started yet.
_READY_WITHIN_S = 30.0
_RETRY_S = 0.02
_USAGE_INTERVAL_S = 1.0
# How long a reaper may take to kill a program's processes and to wait for them.
_END_WITHIN_S = 0.5


class Run:
    """A program that was started, with its deadlines and its connection to the engine.

    Events are sent to the engine on the control socket that came with the request. On the same socket, the
    engine sends the limits of a job for a prewarmed program, or the command that starts a program that is
    ready. The program is killed when the engine sends the command to stop, or closes the socket.

    Attributes:
        pid: The first process, which leads its own session and process group.
        is_live: Whether the first process has not been reaped.
        orphans: Processes that are about to end: the orphans of the first process, and the one that takes
            ownership of its files.

    Raises:
        OSError: The program cannot be started. Its processes are killed and its cgroup is discarded. The
            descriptors are still open.
    """

    def __init__(
        self,
        name: str,
        request: SpawnRequest,
        descriptors: Sequence[int],
        spawner: Spawner,
        events: EventLoop,
        on_quiet: Callable[["Run"], None],
        discard: Callable[[Cgroup], None],
    ) -> None:
        control_socket, *inherited = descriptors
        self._control_socket = ControlSocket(control_socket)
        self._request = request
        self._limits = request.limits
        self._events = events
        self._on_quiet = on_quiet
        self._discard = discard
        self._was_ready = False
        self._is_building = request.build_limits is not None
        self._may_start = request.starts_at_once
        self._limit: str | None = None
        self._error, self._is_shortage = "", False
        self._wall_s = 0.0
        self._status = 0
        self._started = time.monotonic()
        self._deadline = self._first_deadline()
        self._next_sample = self._next_usage = _NEVER
        self._inside: list[int] = []
        self.orphans: set[int] = set()
        self._is_owned = not (request.keeps_directory and request.owns_directory)
        self.is_live = True
        self._is_killed = False
        numbered = dict(zip((0, 1, 2, *request.descriptors), inherited, strict=True))
        with ExitStack() as on_failure:
            self._cgroup = self._make_cgroup(name)
            if self._cgroup is not None:
                on_failure.callback(discard, self._cgroup)
            self._memory_notice = self._watch_memory(on_failure)
            spawned = spawner.spawn(request, numbered, self._cgroup.entrances if self._cgroup else ())
            on_failure.callback(spawner.release, spawned)
            on_failure.callback(spawned.abandon)
            self._release = partial(spawner.release, spawned)
            self._status_pipe, self._start_pipe = StatusPipe(spawned.status_pipe), spawned.start_pipe
            self.pid, self._user, self._directory = spawned.pid, spawned.user, spawned.directory
            self._usage = RunUsage(self.pid, self._cgroup)
            self._follow(spawned, on_failure)
            on_failure.pop_all()
        if not request.is_planned:  # a launch plan does this itself
            self._give_way()
        if request.build_limits is not None:
            self._usage.sample(request.build_limits.cpu_time_ms)
            self._next_sample = self._started + self._usage.seconds_to_next_sample()
        for descriptor in inherited:
            os.close(descriptor)

    @property
    def next_look(self) -> float:
        """The time of the next check, on the monotonic clock."""
        return min(self._deadline, self._next_sample, self._next_usage)

    def look(self, now: float) -> None:
        """Kill the run if it has exceeded a limit, or retry the rest of its end."""
        self._attempt(partial(self._look, now))

    def _look(self, now: float) -> None:
        if not self.is_live:
            self._deadline = _NEVER
            self._on_quiet(self)
        elif self._deadline <= now and self._is_killed:
            self._kill_all()
        elif self._deadline <= now:
            if self._was_ready or self._is_building:
                self._exceed("timeout_ms")
            else:
                self._error = f"its sandbox was not ready within {_READY_WITHIN_S:.0f} seconds"
                self.kill()
        elif self._next_sample <= now:
            if limit := self._usage.exceeded():
                self._exceed(limit)
            else:
                self._next_sample = now + self._usage.seconds_to_next_sample()
        elif self._next_usage <= now:
            self._next_usage = now + _USAGE_INTERVAL_S
            with contextlib.suppress(OSError):  # retried in a second
                if not self._control_socket.has_unread:
                    self._control_socket.send(self._usage.event(now - self._started))

    def kill(self) -> None:
        """Kill the program or, before its start, the processes that prepare it.

        If the program has a reaper, the reaper kills the other processes and waits for them, so that their
        usage is known. Otherwise, the processes end with their namespace, without a parent that waits for
        them, so their usage is read before. It is read only once, even if the engine sends the command to
        stop repeatedly, because later there is less to read.
        """
        self._next_sample = self._next_usage = _NEVER
        if not self.is_live or self._is_killed:
            return
        self._is_killed = True
        with contextlib.suppress(OSError):  # the program is killed in any case
            self._usage.read_cpu()
        if self._kill_program():
            self._deadline = time.monotonic() + _END_WITHIN_S
        else:
            self._kill_all()

    def _kill_program(self) -> bool:
        """Kill the child of the sandbox's first process, the reaper; return whether there is a child."""
        if self._request.rootfs is None:
            return False
        first = processes.eldest_child(self.pid)
        return first is not None and processes.kill_child(first)

    def _kill_all(self) -> None:
        """Kill the first process and its group, and thereby every process of its namespace."""
        self._deadline = _NEVER
        with contextlib.suppress(OSError):
            self._usage.read()
        processes.kill_group(self.pid)
        if self._cgroup is not None:
            self._cgroup.kill()

    def reap_orphans(self, orphans: set[int]) -> bool:
        """Kill the orphans of the first process; return whether none are left.

        Raises:
            OSError: No descriptor is left to watch an orphan with.
        """
        for pid in orphans:
            processes.kill(pid)
            descriptor = os.pidfd_open(pid)
            self.orphans.add(pid)
            self._watch_for(descriptor, partial(self._child_ended, pid, descriptor, self._usage.reaped))
        return not self.orphans

    def own_directory(self) -> bool:
        """Make the supervisor's user the owner of the program's files; return whether that is done.

        Raises:
            OSError: No process or descriptor is left for that.
        """
        if self._is_owned or self._directory is None or not self._was_ready:
            return True
        pid = start_owning(self._directory)
        self.orphans.add(pid)
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            processes.end(pid)
            self.orphans.discard(pid)
            raise
        self._is_owned = True
        self._watch_for(descriptor, partial(self._child_ended, pid, descriptor, processes.Usage()))
        return False

    def finish(self) -> None:
        """Report the end of the run, close the control socket, and discard the cgroup."""
        try:
            event = self._ended()
        except OSError as error:
            event = RunEvent(status=Status.ENDED, was_ready=self._was_ready, error=reason_of(error))
        self._control_socket.send(event, self._directory)
        if self._directory is not None:
            os.close(self._directory)
        for descriptor in (self._status_pipe.descriptor, self._start_pipe, self._memory_notice):
            if descriptor is not None:
                self._events.close(descriptor)
        self._release()
        self._events.remove(self._control_socket.descriptor)
        self._control_socket.close()
        if self._cgroup is not None:
            self._discard(self._cgroup)

    def _ended(self) -> RunEvent:
        exit_code, signal = self._exit_code_and_signal()
        limit = self._limit or self._named(self._limit_of_cgroup())
        if limit is None and self._has_no_program(exit_code):
            return RunEvent(
                status=Status.ENDED, was_ready=False, error=os.strerror(errno.EAGAIN), is_shortage=True
            )
        was_built = self._request.build_limits is not None
        tree_memory_kb = self._usage.tree_memory_kb(self._limits_in_force.memory_mb)
        memory_kb = self._usage.memory_kb(self._status_pipe.end, was_built=was_built)
        if memory_kb == 0 and limit == "memory_mb":
            # With version 2, the kernel kills all processes at once, before the memory of one can be read.
            memory_kb = tree_memory_kb
        return RunEvent(
            status=Status.ENDED,
            was_ready=self._was_ready,
            in_build=self._status_pipe.last is Status.BUILDING,
            limit=limit,
            exit_code=exit_code,
            signal=signal,
            wall_ms=round(self._wall_s * 1000),
            cpu_ms=round(1000 * self._usage.cpu_s()),
            waited_ms=None if self._usage.waited_s is None else round(1000 * self._usage.waited_s),
            memory_kb=memory_kb,
            tree_memory_kb=tree_memory_kb,
            error=self._error,
            is_shortage=self._is_shortage or (limit is None and self._lost_process_to_memory()),
        )

    def _exit_code_and_signal(self) -> tuple[int | None, int | None]:
        """Return how the program ended. A signal that killed the reaper has killed the program, too."""
        code, signal = self._status_pipe.exit_code_and_signal(self._status)
        is_reported = self._request.rootfs is None or self._status_pipe.end is not None
        if is_reported or not self._was_ready or code is None or code <= _SIGNALED:
            return code, signal
        return None, code - _SIGNALED

    def _has_no_program(self, exit_code: int | None) -> bool:
        """Whether the reaper could not fork the program: it reports the end of each that it forked."""
        is_unreported = self._request.is_planned and self._was_ready and self._status_pipe.end is None
        return is_unreported and exit_code == _REAPER_FAILED

    def _first_deadline(self) -> float:
        if self._request.is_prewarmed:
            return _NEVER
        build = self._request.build_limits
        return self._started + (_READY_WITHIN_S if build is None else build.timeout_ms / 1000)

    def _make_cgroup(self, name: str) -> Cgroup | None:
        plan = self._request.cgroup
        if plan is None:
            return None
        build = self._request.build_limits or self._limits
        memory_mb = max(self._limits.memory_mb, build.memory_mb)
        return Cgroup(plan, name, memory_mb * _MIB, max(self._limits.processes, build.processes))

    def _watch_memory(self, on_failure: ExitStack) -> int | None:
        notice = self._cgroup.watch_memory() if self._cgroup is not None else None
        if notice is not None:
            on_failure.callback(os.close, notice)
        return notice

    def _follow(self, spawned: Spawned, on_failure: ExitStack) -> None:
        # In this order, the status that was written before an end is read before the end.
        actions: dict[int, Callable[[], None]] = {
            spawned.status_pipe: self._status_spoke,
            spawned.process: partial(self._first_process_ended, spawned.process),
            self._control_socket.descriptor: self._control_socket_spoke,
        }
        if self._memory_notice is not None:
            actions[self._memory_notice] = self._memory_ran_out
        for descriptor, action in actions.items():
            self._watch_for(descriptor, action)
            on_failure.callback(self._events.remove, descriptor)

    def _watch_for(self, descriptor: int, action: Callable[[], None]) -> None:
        self._events.add(descriptor, partial(self._attempt, action))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run an action whose failure kills this run and no other.

        If the program has ended already, nothing is lost: the rest of its end is retried.
        """
        try:
            action()
        except OSError as error:
            if self.is_live:
                if not self._error:
                    self._error, self._is_shortage = reason_of(error), is_shortage(error)
                self.kill()
            else:
                self._deadline = time.monotonic() + _RETRY_S

    def _status_spoke(self) -> None:
        for status in self._status_pipe.read():
            if status is Status.WAITING:
                self._waiting()
            elif status is Status.READY:
                self._preparations_ended()
            elif status is Status.UNPACKED:
                self._usage.exclude_unpacking(self._status_pipe.unpacking_s)
            elif status is Status.FAILED:
                self._error = self._status_pipe.error
        if self._status_pipe.is_over:
            self._events.remove(self._status_pipe.descriptor)

    def _give_way(self) -> None:
        """Lower the priority of all existing processes, unless a control group shares the processors.

        A process that is being forked at this moment is missed, but no process forks while the program waits
        for its start.
        """
        if self._request.cgroup is None or self._request.cgroup.shares is None:
            give_way(self.pid)

    def _waiting(self) -> None:
        self._give_way()
        _, *self._inside = tree(self.pid)
        self._usage.exclude_prewarming()
        self._control_socket.send(RunEvent(status=Status.WAITING))

    def _preparations_ended(self) -> None:
        if self._is_building:
            self._is_building = False
            self._next_sample = _NEVER
            self._usage.exclude_build()
            self._end_limits_of_build()
        self._ready()

    def _end_limits_of_build(self) -> None:
        if self._cgroup is not None:
            self._cgroup.limit_processes(self._limits.processes)
            try:
                self._cgroup.limit_memory(self._limits.memory_mb * _MIB)
            except OSError:  # more memory is in use, and the kernel keeps the build's limit
                self._exceed("memory_mb")

    def _control_socket_spoke(self) -> None:
        message = self._control_socket.receive()
        if message in (b"", STOP):
            self.kill()
        elif message == START:
            is_first, self._may_start = not self._may_start, True
            if is_first and self._was_ready:
                self._start()
        else:
            self._start_job(ResourceLimits.decode(message))
        if not message:
            self._events.remove(self._control_socket.descriptor)

    def _start_job(self, limits: ResourceLimits) -> None:
        """Set the limits of a job for a prewarmed program, and start it.

        If the program was started before and waits for work, only move its deadline.
        """
        if not self._request.is_prewarmed:
            self._deadline = time.monotonic() + limits.timeout_ms / 1000
            return
        self._deadline = time.monotonic() + _READY_WITHIN_S
        self._may_start = True
        try:
            self._limit_group(limits)
            limit(self._inside, limits.rlimits, self._user)
            if self._start_pipe is not None:
                os.write(self._start_pipe, b"\n")
        except OSError:  # it has ended, or exceeds the limits already
            self.kill()

    def _limit_group(self, limits: ResourceLimits) -> None:
        before, self._limits = self._limits, limits
        if self._cgroup is not None and limits.memory_mb != before.memory_mb:
            self._cgroup.limit_memory(limits.memory_mb * _MIB)
        if self._cgroup is not None and limits.processes != before.processes:
            self._cgroup.limit_processes(limits.processes)

    def _ready(self) -> None:
        """Report that the program is ready. START has come already, or may take any time to come."""
        self._was_ready = True
        self._started = time.monotonic()
        self._deadline = _NEVER
        if not self._request.is_prewarmed and not self._request.is_planned:
            self._give_way()
            if self._limits.rlimits:
                _, *inside = tree(self.pid)
                limit(inside, self._limits.rlimits, self._user)
        if self._limit is None and not self._request.starts_at_once:
            self._control_socket.send(RunEvent(status=Status.READY))
        if self._may_start:
            self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self._usage.begin()
        if self._start_pipe is not None and not self._request.is_prewarmed:  # starts with its limits
            try:
                os.write(self._start_pipe, b"\n")
            except OSError:  # the launch script has ended
                self.kill()
        memory_kb = self._limits.memory_mb << 10 if self._cgroup is None else None
        self._usage.sample(self._limits.cpu_time_ms, memory_kb)
        if self.is_live and self._limit is None:
            self._deadline = self._started + self._limits.timeout_ms / 1000
            self._next_sample = self._started + self._usage.seconds_to_next_sample()
            self._next_usage = self._started + (_USAGE_INTERVAL_S if self._request.reports_usage else _NEVER)

    def _memory_ran_out(self) -> None:
        if self._memory_notice is None or self._cgroup is None:
            return
        os.eventfd_read(self._memory_notice)
        if self._cgroup.reached_memory_limit():  # otherwise, the kernel kills one process of the outer group
            self._exceed("memory_mb")

    def _exceed(self, limit: str) -> None:
        self._limit = self._limit or self._named(limit)
        self.kill()

    def _first_process_ended(self, descriptor: int) -> None:
        self._wall_s = time.monotonic() - self._started
        self._usage.end()
        self._events.close(descriptor)
        self._attempt(self._status_spoke)
        self._deadline = self._next_sample = self._next_usage = _NEVER
        processes.kill_group(self.pid)
        self._status = processes.reap(self.pid, self._usage.reaped)
        self.is_live = False
        self._on_quiet(self)

    def _child_ended(self, pid: int, descriptor: int, usage: processes.Usage) -> None:
        self._events.close(descriptor)
        processes.reap(pid, usage)
        self.orphans.discard(pid)
        self._on_quiet(self)

    @property
    def _limits_in_force(self) -> ResourceLimits:
        build = self._request.build_limits if self._is_building else None
        return build or self._limits

    def _named(self, limit: str | None) -> str | None:
        return f"build_{limit}" if limit and self._is_building else limit

    def _limit_of_cgroup(self) -> str | None:
        if self._cgroup is None:
            return None
        # A build whose host lacks memory would lack it again if it was repeated.
        if self._lost_process_to_memory() and (self._is_building or self._cgroup.reached_memory_limit()):
            return "memory_mb"
        return "processes" if self._cgroup.ran_out_of_processes() else None

    def _lost_process_to_memory(self) -> bool:
        return self._cgroup is not None and self._cgroup.lost_process_to_memory()
