"""Who the supervisor is while it starts a program, which begins as that and as nothing else.

A fork of Python that becomes a program copies memory page by page, which takes longer than all that it does
before. posix_spawn(3) copies nothing. It knows nothing of users and mounts either, so these are inherited.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.local_engine.sandbox.supervisor.kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    make_mounts_private,
    setns,
    unshare,
)
from adapters.local_engine.sandbox.supervisor.kernel_files import write
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs, SpawnRequest
from adapters.local_engine.sandbox.supervisor.rootfs_cache import RootfsCache
from adapters.local_engine.sandbox.supervisor.tmpfs import mount_tmpfs_for

_ROOT = 0
_LOST = 1


class PrivilegeSwitch:
    """Makes the supervisor, for a moment, what a program is to be; there must be no second thread."""

    def __init__(self) -> None:
        self._views = RootfsCache()
        self._home: int | None = None

    @contextmanager
    def of(self, request: SpawnRequest) -> Iterator[None]:
        """Be as a request says for as long as the context lasts.

        Root keeps its effective user, which does not outlast an exec that resets it to the real one.

        Raises:
            OSError: That cannot be; the supervisor is who it was before.
        """
        try:
            mounts = None if request.rootfs is None else self._mounts(request.rootfs)
            os.chdir(request.directory)
            if mounts is not None:
                setns(mounts, CLONE_NEWNS)
                unshare(CLONE_NEWNS)
            if request.tmpfs is not None:
                mount_tmpfs_for(request.tmpfs, request.user)
            if request.user is not None:
                os.setresgid(request.user, _ROOT, _ROOT)
                os.setresuid(request.user, _ROOT, _ROOT)
            yield
        finally:
            self._return(request)

    def _return(self, request: SpawnRequest) -> None:
        """Be the supervisor again. One that cannot must not go on: its end takes every program along."""
        try:
            if request.user is not None:
                os.setresuid(_ROOT, _ROOT, _ROOT)
                os.setresgid(_ROOT, _ROOT, _ROOT)
            if request.rootfs is not None and self._home is not None:
                setns(self._home, CLONE_NEWNS)
            os.chdir("/")
        except OSError:
            os._exit(_LOST)

    def _mounts(self, view: Rootfs) -> int:
        """Return a descriptor of a view, once there is a way back: to a mount namespace that we own."""
        if self._home is None:
            if os.geteuid() != _ROOT:
                _own_namespaces(os.getuid(), os.getgid())
            self._home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if view not in self._views:
            # What the machine mounts later would appear in it, for all programs to write to.
            unshare(CLONE_NEWNS)
            make_mounts_private()
        return self._views.mounts(view)


def _own_namespaces(user: int, group: int) -> None:
    """Leave the namespaces of the machine for our own, where an ordinary user may mount."""
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in {
        "setgroups": "deny",
        "uid_map": f"{user} {user} 1",
        "gid_map": f"{group} {group} 1",
    }.items():
        write(f"/proc/self/{name}", text)
