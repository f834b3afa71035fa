"""User ids of programs, each of which is leased to one supervisor of the machine at a time.

The kernel has quotas per user for processes, pending signals, inotify watches, pages of pipes and descriptors
in flight. Two programs with the same user could exhaust each other's quotas.
"""

import fcntl
import os
import struct

from adapters.local_engine.sandbox.supervisor.protocol import UserRange

# struct flock of linux/fcntl.h on 64-bit machines: l_type, l_whence, l_start, l_len, l_pid
_LOCK = struct.Struct("hhqqixxxx")


class UserIds:
    """Leases the user ids of a range.

    A lease is a lock on the byte of a file whose offset is the id. The kernel drops the lock when the
    supervisor ends for any reason. Programs of a killed supervisor may briefly outlive it, so ids that are in
    use by processes are skipped.
    """

    def __init__(self, users: UserRange) -> None:
        self._range = range(users.first, users.first + users.count)
        self._file = os.open(users.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._leased: set[int] = set()

    def lease(self) -> int:
        """Return an id that no program on this machine has.

        Raises:
            OSError: No id is left.
        """
        for user in self._range:
            if user not in self._leased and self._lock(user):
                if not _has_process(user):
                    self._leased.add(user)
                    return user
                self._unlock(user)
        raise OSError(0, f"every user id for programs, {self._range[0]} to {self._range[-1]}, is in use")

    def release(self, user: int) -> None:
        """End a lease."""
        self._unlock(user)
        self._leased.discard(user)

    def _lock(self, user: int) -> bool:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, user, 1, 0))
        except (BlockingIOError, PermissionError):  # fcntl(2) reports another process's lock by either
            return False
        return True

    def _unlock(self, user: int) -> None:
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, user, 1, 0))


def _has_process(user: int) -> bool:
    try:
        os.getpriority(os.PRIO_USER, user)
    except ProcessLookupError:
        return False
    return True
