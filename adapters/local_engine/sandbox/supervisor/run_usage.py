"""The resource usage of a run."""

import os

from adapters.local_engine.sandbox.supervisor.cgroups import Cgroup
from adapters.local_engine.sandbox.supervisor.processes import Usage
from adapters.local_engine.sandbox.supervisor.protocol import RunEvent, Status
from adapters.local_engine.sandbox.supervisor.scheduling import waited_s
from adapters.local_engine.sandbox.supervisor.status_pipe import End
from adapters.local_engine.sandbox.supervisor.usage_sampler import TreeCpu, UsageSampler, live_cpu_s, peak_kb

_SOCKETS_INTERVAL_S = 0.05
_INEXACT_KB = 4 << 10


class RunUsage:
    """The resource usage of a run, and the limit that it exceeds.

    The run's control group measures it. Without one, or if it does not count processor time, the run's
    processes are sampled.

    Attributes:
        reaped: The usage of the run's reaped processes.
        waited_s: The time that the program waited for a processor; None if that is unknown.
    """

    def __init__(self, pid: int, cgroup: Cgroup | None) -> None:
        self.reaped = Usage()
        self.waited_s: float | None = None
        self._pid = pid
        self._cgroup = cgroup
        self._counts_cpu = cgroup is not None and cgroup.counts_cpu
        self._tree_cpu_s = cgroup.cpu_s if cgroup and self._counts_cpu else TreeCpu(pid)
        self._cpu_before_s = 0.0
        self._waited_before_s: float | None = None
        self._sampler: UsageSampler | None = None

    def sample(self, cpu_time_ms: int, memory_kb: int | None = None) -> None:
        """Start to sample the build or the program, with its limits; memory is sampled if it has one."""
        self._sampler = UsageSampler(
            self._pid, self._tree_cpu_s, cpu_time_ms / 1000, memory_kb, self._cpu_before_s
        )

    def seconds_to_next_sample(self) -> float:
        """Return the seconds in which the run cannot exceed a limit, as far as that is known."""
        seconds = 0.0 if self._sampler is None else self._sampler.seconds_to_next_sample()
        has_sockets = self._cgroup is not None and self._cgroup.counts_sockets_apart
        return min(seconds, _SOCKETS_INTERVAL_S) if has_sockets else seconds

    def exceeded(self) -> str | None:
        """Take a sample, and return the name of the exceeded limit; None if none is exceeded."""
        limit = None if self._sampler is None else self._sampler.exceeded()
        group = self._cgroup
        if limit is None and group and group.counts_sockets_apart and group.has_too_large_sockets():
            return "memory_mb"
        return limit

    def exclude_unpacking(self, cpu_s: float) -> None:
        """Exclude the time of unpacking, if the time of the first process counts as the program's."""
        if not self._counts_cpu:
            self._cpu_before_s = cpu_s
            if self._sampler is not None:
                self._sampler.cpu_at_start_s = cpu_s

    def exclude_prewarming(self) -> None:
        """Exclude the processor time before an interpreter waits for a job."""
        self._cpu_before_s = self._tree_cpu_s() if self._counts_cpu else live_cpu_s(self._pid)

    def exclude_build(self) -> None:
        """Exclude the processor time of the build, which has ended."""
        self._sampler = None
        self._cpu_before_s = self._tree_cpu_s()

    def begin(self) -> None:
        """Note the start of the program."""
        self._waited_before_s = waited_s()

    def end(self) -> None:
        """Note the end of the program."""
        before_s, now_s = self._waited_before_s, waited_s()
        self.waited_s = None if before_s is None or now_s is None else now_s - before_s

    def read_cpu(self) -> None:
        """Sample the processor time while the processes exist."""
        if self._sampler is not None:
            self._sampler.read_cpu()

    def read(self) -> None:
        """Take a last, quick sample of processes that end without a parent to reap them."""
        if self._sampler is not None:
            self._sampler.read()

    def event(self, wall_s: float) -> RunEvent:
        """Return an event with the current usage."""
        self.read_cpu()
        group, sampler = self._cgroup, self._sampler
        sampled_kb = 0 if sampler is None else sampler.present_kb
        return RunEvent(
            status=Status.USAGE,
            wall_ms=round(wall_s * 1000),
            cpu_ms=0 if sampler is None else round(sampler.last_cpu_s * 1000),
            tree_memory_kb=sampled_kb if group is None else group.present_kb(),
            # One process of the group is the reaper.
            processes=None if group is None else max(group.present_processes() - 1, 0),
        )

    def cpu_s(self) -> float:
        """Return the processor time of the ended program."""
        if self._sampler is None:
            return self.reaped.cpu_s
        if self._counts_cpu:
            self._sampler.read_cpu()
            return self._sampler.last_cpu_s
        return max(self.reaped.cpu_s - self._sampler.cpu_at_start_s, self._sampler.last_cpu_s, 0.0)

    def tree_memory_kb(self, memory_mb: int) -> int:
        """Return the peak memory of all processes, up to a limit: an earlier build may have used more."""
        if self._cgroup is not None:
            return min(self._cgroup.peak_kb(), memory_mb << 10)
        return self._sampler.peak_kb if self._sampler else 0

    def memory_kb(self, end: End | None, *, was_built: bool) -> int:
        """Return the peak memory of the program's largest process.

        It comes from the reaper or, if that was killed too, from the last sample. Neither has the processes
        that the program left behind. The peak of the first process by wait4(2) has them, but also the
        supervisor, from which the first process was made, and a build. So it counts only if there was no
        build, and if it clearly exceeds the supervisor's: the kernel counts pages for each processor and adds
        them up inexactly.
        """
        sampler = self._sampler
        seen_kb = end.memory_kb if end is not None else sampler.largest_kb if sampler is not None else 0
        own_kb = peak_kb(os.getpid()) + _INEXACT_KB
        if was_built or self.reaped.memory_kb <= own_kb:
            return seen_kb
        return max(seen_kb, self.reaped.memory_kb)
