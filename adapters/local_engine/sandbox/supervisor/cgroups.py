"""The control group of a run, in which the kernel counts the memory and processes of the whole tree."""

import contextlib
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.kernel import read, write


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the files in one version of cgroups.

    Attributes:
        memory_usage: The current memory usage.
        sockets_limit: The limit of socket memory, where the memory limit does not include that. Each socket
            may exceed the limit by a packet, so usage can be many times as high.
        sockets_usage: The current usage of socket memory.
        no_swap: The limit of memory and swap, or of swap alone; not every kernel has it.
        entrance: The file to which a process writes 0 to enter the group. `tasks` moves a single thread,
            which spares the kernel 10 ms of waiting until no processor is forking.
        cpu_usage: The processor time of all current and former processes of the group.
        cpu_per_s: The number of its units in a second.
    """

    memory_limit: str
    memory_usage: str
    sockets_limit: str | None
    sockets_usage: str | None
    memory_peak: str
    memory_events: str
    no_swap: str
    swap_includes_memory: bool
    entrance: str
    cpu_usage: str
    cpu_per_s: int


UNIFIED = 2
# Above this socket memory of a run, the kernel keeps the buffers small. All processes of the machine share a
# budget (tcp_mem of tcp(7), udp_mem of udp(7)).
_SOCKETS_BYTES = 16 << 20
_ACTIVITIES = ("active", "inactive")
# Available in version 2 from Linux 5.14 on.
_KILL = "cgroup.kill"
# The share of each processor for all programs together, where a thread of the service has 1.0: the service
# has precedence. The share is raised briefly while a program is killed.
_SHARE_OF_PROGRAMS = 0.5
_SHARE_OF_ENDING = 4.0
# By version: the file of shares, the shares of one thread or group, and the largest value.
_SHARES = {1: ("cpu.shares", 1024, 262_144), UNIFIED: ("cpu.weight", 100, 10_000)}
# The peak of a group that reached its limit is this close to it: the kernel charges blocks of pages.
_FULL_WITHIN_BYTES = 1 << 20
_EMPTY_WITHIN_S = 2.0
_RETRY_S = 0.002

# Documentation/admin-guide/cgroup-v1/memory.rst and .../cgroup-v2.rst
NAMES = {
    1: Names(
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "memory.kmem.tcp.limit_in_bytes",
        "memory.kmem.tcp.usage_in_bytes",
        "memory.max_usage_in_bytes",
        "memory.oom_control",
        "memory.memsw.limit_in_bytes",
        swap_includes_memory=True,
        entrance="tasks",
        cpu_usage="cpuacct.usage",
        cpu_per_s=1_000_000_000,
    ),
    UNIFIED: Names(
        "memory.max",
        "memory.current",
        None,
        None,
        "memory.peak",
        "memory.events",
        "memory.swap.max",
        swap_includes_memory=False,
        entrance="cgroup.procs",
        cpu_usage="cpu.stat",
        cpu_per_s=1_000_000,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupPlan:
    """The parent directories of the cgroups of runs.

    Attributes:
        version: 1 or 2.
        memory: The directory for the memory controller.
        pids: The directory for the pids controller; the same one with version 2.
        cpu: The directory where processor time is counted; None if it is not counted.
        shares: The directory where each group gets an equal share of the processors, regardless of its number
            of processes; None if shares are per process.
    """

    version: int
    memory: str
    pids: str
    cpu: str | None = None
    shares: str | None = None

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories, without duplicates."""
        every = (self.memory, self.pids, self.cpu, self.shares)
        return tuple(dict.fromkeys(directory for directory in every if directory is not None))


def limit_shares(version: int, directory: str, share: float = _SHARE_OF_PROGRAMS) -> None:
    """Set the share of each processor for all groups in a directory together.

    Raises:
        OSError: The kernel refuses.
    """
    name, unit, most = _SHARES[version]
    shares = round(unit * share * (os.cpu_count() or 1))
    write(f"{directory}/{name}", str(min(shares, most)))


def end(group: str) -> None:
    """Kill every process in a group, including new ones, and remove the group.

    Raises:
        OSError: The group cannot be removed, for instance because it still has processes.
    """
    until = time.monotonic() + _EMPTY_WITHIN_S
    while (present := _present(group)) and time.monotonic() < until:
        for pid in present:
            processes.kill(pid)
        time.sleep(_RETRY_S)
    os.rmdir(group)


def _present(group: str) -> list[int]:
    """Return the visible processes of a group; the kernel lists the others as 0."""
    try:
        return [pid for pid in map(int, read(f"{group}/cgroup.procs").split()) if pid > 0]
    except FileNotFoundError:
        return []  # the group was removed


class Cgroup:
    """The control group of one run.

    Attributes:
        counts_sockets_apart: Whether socket memory is not included in the memory limit.
    """

    def __init__(self, plan: CgroupPlan, name: str, memory_bytes: int, processes: int) -> None:
        self._version = plan.version
        self._names = NAMES[plan.version]
        self._memory = f"{plan.memory}/{name}"
        self._pids = f"{plan.pids}/{name}"
        self._cpu = None if plan.cpu is None else f"{plan.cpu}/{name}"
        self._shares = None if plan.shares is None else f"{plan.shares}/{name}"
        self._is_hurried = False
        self._directories = [f"{directory}/{name}" for directory in plan.directories]
        try:
            for directory in self._directories:
                os.mkdir(directory)
            self.counts_sockets_apart = self._limit_sockets()
            self._set_memory(memory_bytes)  # a new group has no memory limit, so the swap limit comes second
            self.limit_processes(processes)
        except OSError:
            self.remove()
            raise

    @property
    def entrances(self) -> list[str]:
        """The files to which a single-threaded process writes 0 to enter the group."""
        return [f"{directory}/{self._names.entrance}" for directory in self._directories]

    @property
    def counts_cpu(self) -> bool:
        """Whether the kernel counts processor time for the group."""
        return self._cpu is not None

    def cpu_s(self) -> float:
        """Return the processor time of all processes, including ended ones, in seconds."""
        if self._cpu is None:
            return 0.0
        # In version 2, this is the first of several lines: "usage_usec 123".
        used = int(read(f"{self._cpu}/{self._names.cpu_usage}").removeprefix("usage_usec").split()[0])
        return used / self._names.cpu_per_s

    def watch_memory(self) -> int | None:
        """Have the whole group killed when it runs out of memory, instead of only its largest process.

        With version 2, the kernel does that. With version 1, return a descriptor that becomes readable when
        the group or an outer one runs out of memory.
        """
        if self._version == UNIFIED:
            write(f"{self._memory}/memory.oom.group", "1")
            return None
        with ExitStack() as on_failure:
            notice = os.eventfd(0, os.EFD_CLOEXEC)
            on_failure.callback(os.close, notice)
            subject = os.open(f"{self._memory}/{self._names.memory_events}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                write(f"{self._memory}/cgroup.event_control", f"{notice} {subject}")
            finally:
                os.close(subject)
            on_failure.pop_all()
        return notice

    def limit_memory(self, size: int) -> None:
        """Set the memory limit, and allow no swap.

        Raises:
            OSError: More memory is in use.
        """
        self._limit_swap(size)  # never below the memory limit: raised before it, lowered after it
        self._set_memory(size)

    def _set_memory(self, size: int) -> None:
        self._memory_bytes = size
        write(f"{self._memory}/{self._names.memory_limit}", str(size))
        self._limit_swap(size)

    def has_too_large_sockets(self) -> bool:
        """Whether socket memory, if it is counted apart, and all other memory together exceed the limit.

        The page cache of files does not count, as the kernel frees it when memory is needed.
        """
        sockets = int(read(f"{self._memory}/{self._names.sockets_usage}"))
        return sockets > _SOCKETS_BYTES and sockets + self._used_bytes() > self._memory_bytes

    def present_kb(self) -> int:
        """Return the current memory of all processes, without the page cache of files.

        Raises:
            OSError: The kernel does not report it.
        """
        return max(self._used_bytes(), 0) >> 10

    def present_processes(self) -> int:
        """Return the current number of processes and threads.

        Raises:
            OSError: The kernel does not report it.
        """
        return int(read(f"{self._pids}/pids.current"))

    def _used_bytes(self) -> int:
        used = int(read(f"{self._memory}/{self._names.memory_usage}"))
        stat = _rows(f"{self._memory}/memory.stat")
        return used - sum(int(stat.get(f"{kind}_file", 0)) for kind in _ACTIVITIES)

    def limit_processes(self, number: int) -> None:
        """Set the limit of processes."""
        write(f"{self._pids}/pids.max", str(number))

    def kill(self) -> None:
        """Kill every process of the group, if the kernel can do that, and make them end quickly.

        Killed processes need processor time to end, so the group gets a larger share.
        """
        with contextlib.suppress(OSError):
            if self._shares is not None:
                self._is_hurried = True
                name, _, most = _SHARES[self._version]
                write(f"{self._shares}/{name}", str(most))
                limit_shares(self._version, os.path.dirname(self._shares), _SHARE_OF_ENDING)
            if self._version == UNIFIED:
                write(f"{self._pids}/{_KILL}", "1")

    def lost_process_to_memory(self) -> bool:
        """Whether the kernel killed a process because this group, an outer one or the host lacked memory."""
        return self._count(f"{self._memory}/{self._names.memory_events}", "oom_kill") > 0

    def reached_memory_limit(self) -> bool:
        """Whether the group has had as much memory as its limit allows."""
        try:
            peak = int(read(f"{self._memory}/{self._names.memory_peak}"))
        except OSError:  # available in version 2 from Linux 5.19 on
            return True
        return peak + _FULL_WITHIN_BYTES >= self._memory_bytes

    def ran_out_of_processes(self) -> bool:
        """Whether a process could not start another one because of the limit.

        Version 1, and version 2 before Linux 6.11, also count forks that the limit of an outer group refused.
        """
        if self._count(f"{self._pids}/pids.events", "max") == 0:
            return False
        try:
            return int(read(f"{self._pids}/pids.peak")) >= int(read(f"{self._pids}/pids.max"))
        except OSError:  # the peak is available from Linux 6.6 on
            return True

    def peak_kb(self) -> int:
        """Return the peak memory of all processes together, including files in memory."""
        try:
            return int(read(f"{self._memory}/{self._names.memory_peak}")) >> 10
        except OSError:  # available in version 2 from Linux 5.19 on
            return self._memory_bytes >> 10 if self.lost_process_to_memory() else 0

    def remove(self) -> bool:
        """Remove the group; return False if it still has processes that are not reaped."""
        self._end_hurry()
        for directory in self._directories:
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True

    def _limit_sockets(self) -> bool:
        """Have the kernel count and limit socket memory, if it is counted apart; return whether it is."""
        if self._names.sockets_limit is None:
            return False
        try:
            write(f"{self._memory}/{self._names.sockets_limit}", str(_SOCKETS_BYTES))
        except OSError:  # missing in kernels that do not account for socket memory
            return False
        return True

    def _end_hurry(self) -> None:
        if self._is_hurried and self._shares is not None:
            self._is_hurried = False
            with contextlib.suppress(OSError):  # the engine has ended and removed its directory
                limit_shares(self._version, os.path.dirname(self._shares))

    def _limit_swap(self, memory: int) -> None:
        with contextlib.suppress(OSError):  # missing in kernels that do not account for swap
            swap = memory if self._names.swap_includes_memory else 0
            write(f"{self._memory}/{self._names.no_swap}", str(swap))

    @staticmethod
    def _count(path: str, key: str) -> int:
        return int(_rows(path).get(key, 0))


def _rows(path: str) -> Mapping[str, str]:
    return dict(line.split() for line in read(path).splitlines())
