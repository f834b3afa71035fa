"""The start of a run's first process. A failed start leaves nothing behind."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.box_mounts import BoxMounts
from adapters.local_engine.sandbox.supervisor.kernel import pipe, write
from adapters.local_engine.sandbox.supervisor.packed_files import are_few, unpack
from adapters.local_engine.sandbox.supervisor.privileges import HOME_DIRECTORY, PrivilegeSwitch
from adapters.local_engine.sandbox.supervisor.protocol import (
    ENTRANCE_DESCRIPTORS,
    FILES_DESCRIPTOR,
    MAP_BYTES,
    PLAN_ENTRANCES,
    PLANNED_NAME_BYTES,
    START_DESCRIPTOR,
    STATUS_DESCRIPTOR,
    USER,
    VIEW,
    SpawnRequest,
    Status,
    reason_of,
)
from adapters.local_engine.sandbox.supervisor.scheduling import give_way
from adapters.local_engine.sandbox.supervisor.user_ids import UserIds

# Written to the entrance of a control group, this stands for the writing process.
_MYSELF = "0"


@dataclass(frozen=True, slots=True)
class Spawned:
    """The first process of a run, and the descriptors to follow it with.

    Attributes:
        process: The pidfd, readable when the process has ended.
        status_pipe: The status pipe, which does not block.
        start_pipe: The start pipe; None for a program that starts at once.
        user: The user id of the process; None for the supervisor's.
        mounts: The mounts of the process; None for the supervisor's.
        directory: The descriptor of the program's directory, if that is kept.
    """

    pid: int
    process: int
    status_pipe: int
    start_pipe: int | None
    user: int | None = None
    mounts: BoxMounts | None = None
    directory: int | None = None

    def abandon(self) -> None:
        """Kill the process and close all descriptors."""
        processes.end(self.pid)
        for descriptor in (self.process, self.status_pipe, self.start_pipe, self.directory):
            if descriptor is not None:
                os.close(descriptor)


class Spawner:
    """Starts the first processes of runs. Each one joins the groups to whose entrances it has descriptors."""

    def __init__(self) -> None:
        self._privileges = PrivilegeSwitch()
        self._users: UserIds | None = None

    def spawn(self, request: SpawnRequest, inherited: Mapping[int, int], entrances: Sequence[str]) -> Spawned:
        """Start the first process of a request.

        Args:
            request: The program.
            inherited: The request's descriptors that the process inherits, by their numbers in the process.
            entrances: The entrances of the control groups.

        Raises:
            OSError: The process cannot be started. Nothing is left behind.
        """
        with ExitStack() as on_failure, ExitStack() as theirs:
            descriptors = dict(inherited)
            files = descriptors.pop(FILES_DESCRIPTOR, None)
            status, descriptors[STATUS_DESCRIPTOR] = pipe(on_failure, theirs)
            os.set_blocking(status, False)
            start = None
            numbers = PLAN_ENTRANCES if request.is_planned else ENTRANCE_DESCRIPTORS
            if not request.starts_at_once:
                descriptors[START_DESCRIPTOR], start = pipe(theirs, on_failure)
            for number, entrance in zip(numbers, entrances, strict=False):
                descriptors[number] = os.open(entrance, os.O_WRONLY | os.O_CLOEXEC)
                theirs.callback(os.close, descriptors[number])
            user = self._lease_user(request, on_failure)
            mounts = self._take_mounts(request, on_failure)
            if user is not None:
                for stream in (1, 2):  # or programs could not open /dev/stdout and /dev/stderr
                    os.fchown(inherited[stream], user, user)
            privileges = self._privileges.of(request, user, mounts)
            with _inside(entrances[len(numbers) :]), privileges as directory:
                pid = _started(request, user, files, descriptors)
            if directory is not None:
                on_failure.callback(os.close, directory)
            on_failure.callback(processes.end, pid)
            process = os.pidfd_open(pid)
            on_failure.pop_all()
            return Spawned(pid, process, status, start, user, mounts, directory)

    def release(self, spawned: Spawned) -> None:
        """Give back the user id and the mounts of a run whose last process has ended."""
        if spawned.mounts is not None:
            self._privileges.release(spawned.mounts)
        if self._users is not None and spawned.user is not None:
            self._users.release(spawned.user)

    def _lease_user(self, request: SpawnRequest, on_failure: ExitStack) -> int | None:
        if request.users is None:
            return None
        if self._users is None:
            self._users = UserIds(request.users)
        user = self._users.lease()
        on_failure.callback(self._users.release, user)
        return user

    def _take_mounts(self, request: SpawnRequest, on_failure: ExitStack) -> BoxMounts | None:
        if request.rootfs is None:
            return None
        mounts = self._privileges.take_mounts(request.rootfs)
        on_failure.callback(self._privileges.release, mounts)
        return mounts


def _started(
    request: SpawnRequest, user: int | None, files: int | None, descriptors: Mapping[int, int]
) -> int:
    """Start the first process, after files are unpacked to its directory.

    Many files are unpacked in a fork, because all programs wait while the supervisor works. Few files are
    unpacked by the supervisor, because a fork copies its memory page by page.
    """
    argv = _with_maps(request.argv, user) if request.is_planned else request.argv
    path = _path(request)
    if files is None or request.tmpfs is None:
        return processes.spawn(argv, request.env, descriptors, path)
    step = partial(unpack, files, f"{request.tmpfs.directory}/{HOME_DIRECTORY}", user)
    if are_few(files):
        step()
        return processes.spawn(argv, request.env, descriptors, path)
    report = partial(_report, descriptors[STATUS_DESCRIPTOR])

    def unpack_all() -> None:
        give_way(os.getpid())  # this process is not in the program's control groups
        step()
        report(Status.UNPACKED, cpu_s=time.process_time())

    return processes.spawn_after(
        unpack_all,
        lambda error: report(Status.FAILED, error=reason_of(error)),
        argv,
        request.env,
        descriptors,
        path,
    )


def _report(status_pipe: int, status: Status, **more: object) -> None:
    os.write(status_pipe, f"{json.dumps({'status': status, **more})}\n".encode())


def _path(request: SpawnRequest) -> str:
    """Return the path of the executable as the supervisor sees it."""
    return f"{VIEW}{request.argv[0]}" if request.is_planned else request.argv[0]


def _with_maps(argv: Sequence[str], user: int | None) -> Sequence[str]:
    """Return the reaper's command line with the program's id maps, in the format of uid_map."""
    ids = (os.getuid(), os.getgid()) if user is None else (user, user)
    maps = "".join(f"{USER} {number} 1".ljust(MAP_BYTES) for number in ids)
    return [argv[0].ljust(PLANNED_NAME_BYTES) + maps]


@contextmanager
def _inside(entrances: Sequence[str]) -> Iterator[None]:
    """Join the control groups for which a shell has no descriptors left, so that a child inherits them.

    The parent group of all programs is a child of the supervisor's own group.
    """
    homes = [f"{os.path.dirname(os.path.dirname(os.path.dirname(each)))}/tasks" for each in entrances]
    try:
        for entrance in entrances:
            write(entrance, _MYSELF)
        yield
    finally:
        for home in homes:
            write(home, _MYSELF)
