"""A control group for each run: memory and processes of the whole tree, counted by the kernel."""

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
    """The names of the files of one version of cgroups.

    Attributes:
        memory_usage: Its present size.
        sockets_limit: The limit of the memory of sockets, where the limit of memory leaves that out. The
            kernel leaves each socket a packet all the same, so usage can be many times that.
        sockets_usage: Its present size.
        no_swap: The limit of memory and swap, or of swap alone; not every kernel has it.
        entrance: Where a process writes 0 to move there. With `tasks`, which moves one thread, the kernel
            does not wait until no processor is forking, which takes it 10 ms.
        cpu_usage: The processor time of all processes that ever were in the group.
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
# The memory of a run's sockets from which on the kernel keeps their buffers small. All processes of the
# machine share an allowance (tcp_mem of tcp(7), udp_mem of udp(7)).
_SOCKETS_BYTES = 16 << 20
_ACTIVITIES = ("active", "inactive")
# Version 2 has it from Linux 5.14 on.
_KILL = "cgroup.kill"
# The share that all programs together have of each processor, beside one thread of the service with 1.0: the
# service comes first. For a moment they have more of it while one of them is ended.
_SHARE_OF_PROGRAMS = 0.5
_SHARE_OF_ENDING = 4.0
# The unit of shares, that of one thread or group, and the largest number of them.
_SHARES = {1: ("cpu.shares", 1024, 262_144), UNIFIED: ("cpu.weight", 100, 10_000)}
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
    """The directories in which the cgroups of runs are made.

    Attributes:
        version: 1 or 2.
        memory: Our directory of the memory controller.
        pids: Our directory of the pids controller: with version 2 the same one.
        cpu: Our directory in which processor time is counted; None if it is not.
        shares: Our directory in which each group has the same share of the processors, however many
            processes are in it; None if processes alone have shares.
    """

    version: int
    memory: str
    pids: str
    cpu: str | None = None
    shares: str | None = None

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories, each once."""
        every = (self.memory, self.pids, self.cpu, self.shares)
        return tuple(dict.fromkeys(directory for directory in every if directory is not None))


def limit_shares(version: int, directory: str, share: float = _SHARE_OF_PROGRAMS) -> None:
    """Set the share that all groups in a directory have together of each processor on which they run.

    Raises:
        OSError: The kernel refuses.
    """
    name, unit, most = _SHARES[version]
    shares = round(unit * share * (os.cpu_count() or 1))
    write(f"{directory}/{name}", str(min(shares, most)))


def end(group: str) -> None:
    """Kill every process in a group, and the ones that they start meanwhile, and remove the group.

    Raises:
        OSError: It cannot be removed; so it is if processes are left after all.
    """
    until = time.monotonic() + _EMPTY_WITHIN_S
    while (present := _present(group)) and time.monotonic() < until:
        for pid in present:
            processes.kill(pid)
        time.sleep(_RETRY_S)
    os.rmdir(group)


def _present(group: str) -> list[int]:
    """Return the processes of a group that we can see; the kernel lists the others as 0."""
    try:
        return [pid for pid in map(int, read(f"{group}/cgroup.procs").split()) if pid > 0]
    except FileNotFoundError:
        return []  # the group is gone


class Cgroup:
    """The control group of one run.

    Attributes:
        counts_sockets_apart: Whether the memory of sockets is not a part of the limited memory.
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
            self._set_memory(memory_bytes)  # a new group has no limit yet: the one of swap comes last
            self.limit_processes(processes)
        except OSError:
            self.remove()
            raise

    @property
    def entrances(self) -> list[str]:
        """The files that a process with one thread has to write 0 to."""
        return [f"{directory}/{self._names.entrance}" for directory in self._directories]

    @property
    def counts_cpu(self) -> bool:
        """Whether the kernel counts processor time for the group."""
        return self._cpu is not None

    def cpu_s(self) -> float:
        """Return the processor time of all processes so far, also of ended ones, in seconds."""
        if self._cpu is None:
            return 0.0
        # With version 2 a line of several: "usage_usec 123".
        used = int(read(f"{self._cpu}/{self._names.cpu_usage}").removeprefix("usage_usec").split()[0])
        return used / self._names.cpu_per_s

    def watch_memory(self) -> int | None:
        """Have the whole group end when it runs out of memory, and not only its largest process.

        Version 2 does that by itself. Version 1 returns a descriptor that is ready when it happens.
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
        """Set the limit of memory, and allow no swap beside it.

        Raises:
            OSError: More is in use.
        """
        self._limit_swap(size)  # never the smaller one: first if both rise, last if both fall
        self._set_memory(size)

    def _set_memory(self, size: int) -> None:
        self._memory_bytes = size
        write(f"{self._memory}/{self._names.memory_limit}", str(size))
        self._limit_swap(size)

    def has_too_large_sockets(self) -> bool:
        """Whether the memory of sockets, counted apart, and all other memory together exceed the limit.

        Files that programs have read are in memory as long as there is room, and do not count.
        """
        sockets = int(read(f"{self._memory}/{self._names.sockets_usage}"))
        return sockets > _SOCKETS_BYTES and sockets + self._used_bytes() > self._memory_bytes

    def present_kb(self) -> int:
        """Return the memory of all processes now, without files that programs have read.

        Raises:
            OSError: The kernel has no such figure.
        """
        return max(self._used_bytes(), 0) >> 10

    def present_processes(self) -> int:
        """Return the number of processes and threads now.

        Raises:
            OSError: The kernel has no such figure.
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
        """Kill every process of the group, if the kernel can do that, and have them all end quickly.

        To end takes processor time, of which the others may have a larger share.
        """
        with contextlib.suppress(OSError):
            if self._shares is not None:
                self._is_hurried = True
                name, _, most = _SHARES[self._version]
                write(f"{self._shares}/{name}", str(most))
                limit_shares(self._version, os.path.dirname(self._shares), _SHARE_OF_ENDING)
            if self._version == UNIFIED:
                write(f"{self._pids}/{_KILL}", "1")

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel had to kill one of the processes for memory."""
        return self._count(f"{self._memory}/{self._names.memory_events}", "oom_kill") > 0

    def ran_out_of_processes(self) -> bool:
        """Whether a process could not start another because of the limit."""
        return self._count(f"{self._pids}/pids.events", "max") > 0

    def peak_kb(self) -> int:
        """Return the largest memory of all processes together, files in memory included."""
        try:
            return int(read(f"{self._memory}/{self._names.memory_peak}")) >> 10
        except OSError:  # version 2 has it from Linux 5.19 on
            return self._memory_bytes >> 10 if self.ran_out_of_memory() else 0

    def remove(self) -> bool:
        """Remove the group; return whether that worked, which it does once its processes are reaped."""
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
        """Have the kernel count the memory of sockets, if it does so apart from other memory."""
        if self._names.sockets_limit is None:
            return False
        try:
            write(f"{self._memory}/{self._names.sockets_limit}", str(_SOCKETS_BYTES))
        except OSError:  # kernels that do not account for it have no such file
            return False
        return True

    def _end_hurry(self) -> None:
        if self._is_hurried and self._shares is not None:
            self._is_hurried = False
            with contextlib.suppress(OSError):  # the engine is gone, and its directory with it
                limit_shares(self._version, os.path.dirname(self._shares))

    def _limit_swap(self, memory: int) -> None:
        with contextlib.suppress(OSError):  # kernels that do not account for swap have no such file
            swap = memory if self._names.swap_includes_memory else 0
            write(f"{self._memory}/{self._names.no_swap}", str(swap))

    @staticmethod
    def _count(path: str, key: str) -> int:
        return int(_rows(path).get(key, 0))


def _rows(path: str) -> Mapping[str, str]:
    return dict(line.split() for line in read(path).splitlines())
