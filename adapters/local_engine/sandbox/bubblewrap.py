"""Isolation by bubblewrap, seccomp and cgroups."""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from adapters.local_engine.sandbox import launch_plan, reaper, seccomp
from adapters.local_engine.sandbox.cgroup_discovery import clear, discover, remedy, remove, renew
from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.isolation import Isolation, Launch
from adapters.local_engine.sandbox.launch_script import Rlimits, attainable, launch_script, prewarm_script
from adapters.local_engine.sandbox.program import (
    SYSTEM_PATH,
    Program,
    build_limits,
    build_rlimits,
    program_limits,
)
from adapters.local_engine.sandbox.rootfs import (
    HOME,
    REAPER,
    SHELL,
    TEMPORARY,
    TMPFS,
    fingerprint,
    proc_masks,
    rootfs,
)
from adapters.local_engine.sandbox.subordinate_ids import (
    SubordinateIds,
    SubordinateIdsUnavailable,
    UserNamespace,
)
from adapters.local_engine.sandbox.supervisor.cgroups import UNIFIED, CgroupPlan
from adapters.local_engine.sandbox.supervisor.packed_files import PackedFile, pack
from adapters.local_engine.sandbox.supervisor.privileges import has_privileges
from adapters.local_engine.sandbox.supervisor.protocol import (
    BOX,
    FILES_DESCRIPTOR,
    PLAN_DESCRIPTOR,
    USER,
    ResourceLimits,
    Rootfs,
    SpawnRequest,
    Tmpfs,
    UserRange,
)
from adapters.local_engine.sandbox.supervisor.scheduling import PROGRAM_NICE
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from adapters.local_engine.sandbox.user_share import UserShare
from application.errors import DependencyUnavailable
from domain.catalogue.text import Text, said_by, text

# User ids that systemd's list of assignments (UIDS-GIDS.md) leaves unassigned.
_FIRST_USER = 60_578
_USERS = 606
# In a directory of root that all services of the machine share and that is empty after a boot.
_USERS_LOCK = "/run/service-server-users.lock"
# The same for an ordinary user, where systemd's user manager has made the directory.
_USERS_LOCK_OF_USER = "/run/user/{user}/service-server-users.lock"
# The program's reaper, or the shell in its place, counts against the program's limit of processes.
_OUR_PROCESSES = 1
# Descriptors that bubblewrap reads and closes.
_ARGUMENTS, _FILTER, _SOURCE = range(10, 13)

_log = logging.getLogger("service_server.local_engine")

# A core dump handler at a socket (core(5), Linux 6.16) receives dumps regardless of RLIMIT_CORE.
_CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
_SOCKET = "@"
_NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup", "--new-session", "--die-with-parent", "--as-pid-1", "--clearenv"),
    *("--cap-drop", "ALL", "--hostname", "box"),
    *("--uid", str(USER), "--gid", str(USER)),
)


class Bubblewrap(Isolation):
    """Isolates programs by bubblewrap's namespaces, a seccomp filter and, where available, a cgroup each.

    A program sees the system's libraries and `views` read-only, its directory in memory, and nothing else.

    Args:
        directory: A directory for the files that sandboxes are made of.
        hidden: Directories that no program may see, even below the system's directories.
        programs_at_once: The number of programs among which a shared user's quotas are divided.
        views: Returns additional directories that programs see read-only.

    Attributes:
        cgroups: The parent directories of the programs' cgroups; None without control groups.
        users: The user ids for programs; None if they run with the service's user id.
    """

    name = "bubblewrap"
    is_isolated = True
    control_groups = text("groups.unused", cause=text("groups.not_started"))

    def __init__(
        self,
        directory: Path,
        hidden: Sequence[Path],
        programs_at_once: int,
        views: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self._directory = directory
        self._reaper: Path | None = None
        self.cgroups: CgroupPlan | None = None
        self._bwrap = shutil.which("bwrap", path=SYSTEM_PATH)
        self._hidden = hidden
        self._views = views
        self._programs_at_once = programs_at_once
        self._share: UserShare | None = None
        self._rootfs: Rootfs | None = None
        self._proc_masks: tuple[tuple[str, str], ...] = ()
        self.users: UserRange | None = None
        self._subordinate_ids: SubordinateIds | None = None
        self._no_subordinate_ids: Text | str = ""
        self._filter = b""
        self._has_plans = False

    @property
    def limits_address_space(self) -> bool:  # type: ignore[override]  # it is known once the engine is open
        """Whether RLIMIT_AS is in force because there are no control groups."""
        return self.cgroups is None

    @property
    def _programs_have_root_id(self) -> bool:
        """Whether programs run with the user id of root, which owns the files in /proc."""
        return self.users is None and os.geteuid() == 0

    @property
    def user_namespace(self) -> UserNamespace | None:
        """The user namespace of the subordinate ids; None if programs have no subordinate ids."""
        if self._subordinate_ids is None or self._share is None:
            return None
        return UserNamespace(self._subordinate_ids, self._share.maxima)

    @property
    def counts_files(self) -> bool:
        """Whether control groups count the files in memory."""
        return self.cgroups is not None

    def drop_control_groups(self, trouble: str) -> bool:
        """Stop using control groups: some kernels let a process make them but not enter them."""
        if self.cgroups is None:
            return False
        self.close()
        cause = text("groups.not_entered", trouble=trouble.rstrip("."))
        explained = text("groups.explained", cause=cause, remedy=remedy(UNIFIED))
        self.control_groups = text("groups.unused", cause=explained)
        _log.warning("control groups are %s", self.control_groups)
        return True

    def missing(self) -> Sequence[Text]:
        """Return the guarantees that this machine cannot give, with the causes."""
        if self._rootfs is None:
            return ()
        missing = []
        if self.cgroups is None:
            guarantee = text("engine.groups")
            missing.append(text("engine.missing_groups", guarantee=guarantee, groups=self.control_groups))
        if self.users is None:
            guarantee, cause = text("engine.users"), self._no_subordinate_ids
            missing.append(text("engine.missing_users", guarantee=guarantee, cause=cause))
        with suppress(OSError):  # a container may hide the file
            pattern = _CORE_PATTERN.read_text().strip()
            if pattern.startswith(_SOCKET):
                guarantee = text("engine.dumps")
                missing.append(text("engine.missing_dumps", guarantee=guarantee, pattern=pattern))
        return missing

    def limits(self) -> Mapping[str, Text]:
        """Return how each limit is enforced on this machine."""
        version = f"cgroup v{self.cgroups.version}" if self.cgroups else ""
        return {
            "timeout_ms": text("engine.kills_all"),
            "cpu_time_ms": text("engine.cpu_of_all"),
            "build_timeout_ms": text("engine.kills_all"),
            "build_cpu_time_ms": text("engine.cpu_of_all"),
            "memory_mb": text("engine.memory_by_cgroup", cgroup=version)
            if version
            else text("engine.memory_measured"),
            "processes": text("engine.processes_by_cgroup", cgroup=version)
            if version
            else text("engine.processes_by_user"),
            "open_files": self._open_files(),
            "file_size_mb": text("engine.file_size"),
            "disk_mb": text("engine.disk"),
            "files": text("engine.files"),
            "output_mb": text("engine.output_kills_all"),
        }

    def open(self) -> None:
        """Prepare the files that sandboxes are made of."""
        if self._bwrap is None:
            raise DependencyUnavailable("engine", text("engine.no_bubblewrap"))
        try:
            self._reaper = reaper.install(self._directory)
        except OSError as error:
            cause = text("engine.unusable_directory", cause=str(error.strerror))
            raise DependencyUnavailable("engine", cause) from error
        self._has_plans = False
        self._find_users()
        self._rootfs = self._new_rootfs(self._bwrap, self._views())
        self._proc_masks = proc_masks(
            has_own_users=self.users is not None, has_root_id=self._programs_have_root_id
        )

    def find_control_groups(self, supervisor: int | None) -> None:
        """Discover control groups, and build the seccomp filter, which depends on whether there are any."""
        try:
            self.cgroups = discover(supervisor=supervisor)
        except CgroupsUnavailable as error:
            self.control_groups = text("groups.unused", cause=said_by(error))
            _log.warning("control groups are %s", self.control_groups)
        else:
            version, path = self.cgroups.version, self.cgroups.memory
            self.control_groups = text("groups.used", version=version, path=path)
            _log.info("control groups: %s", self.control_groups)
        try:
            self._filter = seccomp.build(
                counts_memory=self.cgroups is not None, has_own_user=self.users is not None
            )
        except KeyError as error:
            cause = text("engine.no_seccomp", architecture=str(error))
            raise DependencyUnavailable("engine", cause) from error

    def adopt(self, supervisor: int) -> None:
        """Move a restarted supervisor into the scope of its predecessor."""
        if self.cgroups is not None:
            try:
                renew(self.cgroups, supervisor)
            except CgroupsUnavailable as error:
                raise OSError(errno.EAGAIN, f"its control groups were removed: {error}") from error

    def clear(self) -> None:
        """Kill the processes in the cgroups of programs."""
        if self.cgroups is not None:
            clear(self.cgroups)

    def close(self) -> None:
        """Remove the parent directories of the cgroups."""
        if self.cgroups is not None:
            remove(self.cgroups)
            self.cgroups = None

    def is_planned(self, program: Program) -> bool:
        """Whether the reaper makes the sandbox of a program by a launch plan."""
        return self._has_plans and not program.build

    def starts_at_once(self, program: Program) -> bool:
        """Whether the reaper makes the sandbox by a launch plan and starts the program without an event."""
        return self.is_planned(program) and program.starts_at_once

    def use_plans(self) -> bool:
        """Start to use launch plans; return whether this architecture has them."""
        self._has_plans = launch_plan.is_known() and self._reaper is not None
        return self._has_plans

    def drop_plans(self, trouble: str) -> None:
        """Stop using launch plans: some hosts let only bubblewrap make namespaces."""
        self._has_plans = False
        _log.info("bubblewrap makes all sandboxes: launch plans do not work here: %s", trouble.rstrip("."))

    @contextmanager
    def prepare(self, program: Program) -> Iterator[Launch]:
        """Describe the sandbox for the supervisor and its helper, bubblewrap or the reaper."""
        if self.is_planned(program):
            with self._planned(program) as launch:
                yield launch
            return
        limits = program.limits
        with ExitStack() as stack:
            _, *script = self._command_line(program)
            contents = {
                _ARGUMENTS: b"\0".join(part.encode() for part in self._arguments(program)) + b"\0",
                _FILTER: self._filter,
            }
            if program.files is None:
                contents[_SOURCE] = program.code
            files = {} if program.files is None else {FILES_DESCRIPTOR: program.files}
            descriptors = [
                stack.enter_context(sealed_file("sandbox", content)) for content in contents.values()
            ]
            yield Launch(
                SpawnRequest(
                    argv=[str(self._bwrap), "--args", str(_ARGUMENTS), "--", SHELL, *script],
                    env={},
                    directory="/",
                    limits=self._limits(program, self._user_rlimits()),
                    build_limits=build_limits(program) if program.build else None,
                    users=self.users,
                    cgroup=self.cgroups,
                    rootfs=self._current_rootfs(),
                    tmpfs=Tmpfs(directory=TMPFS, size_mb=limits.disk_mb, files=limits.files),
                    is_prewarmed=program.is_prewarmed,
                    reports_usage=program.reports_usage,
                    keeps_directory=program.wanted is not None,
                    owns_directory=self._subordinate_ids is not None,
                ),
                dict(zip(contents, descriptors, strict=True)) | files | dict(program.descriptors),
            )

    @contextmanager
    def _planned(self, program: Program) -> Iterator[Launch]:
        """Describe the sandbox for the supervisor and the reaper, with a launch plan."""
        limits = program.limits
        groups = () if self.cgroups is None else self.cgroups.directories
        rlimits: Rlimits = {}
        if not program.is_prewarmed:  # the job of a prewarmed interpreter comes with its limits
            rlimits = attainable({**self._rlimits(program), **self._user_rlimits()})
        env = {"HOME": HOME, "TMPDIR": TEMPORARY, "PWD": HOME, **program.env, **program.settings}
        calls = launch_plan.calls(
            tuple(rlimits.items()),
            self._proc_masks,
            self._filter,
            len(groups),
            nice=self._nice(),
            is_prewarmed=program.is_prewarmed,
            starts_at_once=program.starts_at_once,
        )
        plan = calls.packed(program.command, env)
        with ExitStack() as stack:
            files = program.files
            if files is None:
                packed = pack([PackedFile(program.source, program.code)])
                files = stack.enter_context(sealed_file("source", packed))
            plan_file = stack.enter_context(sealed_file("plan", plan))
            yield Launch(
                SpawnRequest(
                    argv=[REAPER],
                    env={},
                    directory="/",
                    limits=self._limits(program, {}),
                    users=self.users,
                    cgroup=self.cgroups,
                    rootfs=self._current_rootfs(),
                    tmpfs=Tmpfs(directory=TMPFS, size_mb=limits.disk_mb, files=limits.files),
                    is_prewarmed=program.is_prewarmed,
                    is_planned=True,
                    starts_at_once=program.starts_at_once,
                    reports_usage=program.reports_usage,
                    keeps_directory=program.wanted is not None,
                    owns_directory=self._subordinate_ids is not None,
                ),
                {PLAN_DESCRIPTOR: plan_file, FILES_DESCRIPTOR: files} | dict(program.descriptors),
            )

    def _nice(self) -> int | None:
        """Return the nice value for programs; None if cgroups give them shares, or ours is higher."""
        has_share = self.cgroups is not None and self.cgroups.shares is not None
        is_higher = os.getpriority(os.PRIO_PROCESS, 0) > PROGRAM_NICE
        return None if has_share or is_higher else PROGRAM_NICE

    def fitted(self, program: Program) -> Program:
        """Return a program with limits of processes and open files within its share of the user's quotas."""
        return program if self._share is None else self._share.fitted(program)

    def job_limits(self, program: Program) -> ResourceLimits:
        """Return the limits of a program that a prewarmed interpreter runs."""
        return self._limits(program, {**self._rlimits(program), **self._user_rlimits()})

    def _open_files(self) -> Text:
        if self._share is None or self._share.watches is None:
            return text("engine.open_files")
        return text("engine.open_files_fewer", watches=self._share.watches)

    def _find_users(self) -> None:
        """Find user ids for programs: unassigned ids if we are root, else subordinate ids."""
        if has_privileges():
            self.users = self._user_range(_USERS_LOCK)
            return
        try:
            self._subordinate_ids = SubordinateIds.find()
        except SubordinateIdsUnavailable as error:
            self._no_subordinate_ids = said_by(error)
            self._share = UserShare.of_shared_user(self._programs_at_once)
        else:
            self.users = self._user_range(_USERS_LOCK_OF_USER.format(user=os.geteuid()))
            self._share = UserShare.of_subordinate_users(self._programs_at_once)

    def _user_range(self, path: str) -> UserRange:
        lock = Path(path)
        if not os.access(lock.parent, os.W_OK):
            _log.warning(
                "%s is not writable: programs of other services on this machine can get the same user ids "
                "and share kernel quotas with this service's programs",
                lock.parent,
            )
            lock = self._directory / lock.name
        return UserRange(first=_FIRST_USER, count=_USERS, lock=str(lock))

    @staticmethod
    def _limits(program: Program, rlimits: Rlimits) -> ResourceLimits:
        limits = program_limits(program, program.limits.processes + _OUR_PROCESSES)
        return replace(limits, rlimits=attainable(rlimits))

    def _user_rlimits(self) -> Rlimits:
        return {} if self._share is None else self._share.rlimits

    def _rlimits(self, program: Program) -> Rlimits:
        """Return the limits of each process of a program. Where there is a cgroup, it limits the memory.

        RLIMIT_NPROC is one higher than the cgroup's limit, so that the cgroup counts excess processes. It
        counts the whole user namespace. A launch plan is executed by a process in it that is in no cgroup.
        """
        processes = program.limits.processes + _OUR_PROCESSES + (self.cgroups is not None)
        processes += self.is_planned(program)
        return self._without_address_space({**program.rlimits, "NPROC": (processes, processes)})

    def _without_address_space(self, rlimits: Rlimits) -> Rlimits:
        if self.limits_address_space:
            return rlimits
        return {name: rlimits[name] for name in rlimits.keys() - {"AS"}}

    def _current_rootfs(self) -> Rootfs:
        views = self._views()
        if self._rootfs is None or self._rootfs.fingerprint != fingerprint(views):
            self._rootfs = self._new_rootfs(str(self._bwrap), views)
        return self._rootfs

    def _new_rootfs(self, bwrap: str, views: Sequence[Path]) -> Rootfs:
        return rootfs(bwrap, self._hidden, self._reaper, views, has_own_users=self.users is not None)

    def _arguments(self, program: Program) -> Iterator[str]:
        yield from (*_NAMESPACES, "--dev-bind", BOX, "/", "--proc", "/proc")
        for path, cover in self._proc_masks:
            yield from ("--ro-bind", cover, path)
        yield from ("--remount-ro", "/proc")
        if program.files is None:
            yield from ("--perms", "0644", "--file", str(_SOURCE), f"{HOME}/{program.source}")
        yield from ("--seccomp", str(_FILTER), "--chdir", HOME)
        for name, value in {"HOME": HOME, "TMPDIR": TEMPORARY, **program.env}.items():
            yield from ("--setenv", name, value)

    def _command_line(self, program: Program) -> list[str]:
        groups = 0 if self.cgroups is None else len(self.cgroups.directories)
        reaper_path = None if self._reaper is None else REAPER
        if program.is_prewarmed:
            return prewarm_script(program.command, program.rlimits, groups=groups, reaper=reaper_path)
        return launch_script(
            program.build,
            program.command,
            self._rlimits(program),
            build_rlimits=self._without_address_space(build_rlimits(program.limits.build_cpu_time_ms)),
            variables=program.settings,
            groups=groups,
            reaper=reaper_path,
        )
