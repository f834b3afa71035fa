"""The ownership of files that a program leaves, where the service is not root and could not read them."""

import os

# As far below a directory as files are collected, and no further: a descriptor is open for each level.
DEPTH = 32


def start_owning(directory: int) -> int:
    """Start a process that makes this one's user the owner of a directory and of all that is in it.

    No process of the program may be left. The supervisor, which is root of all users here, goes on meanwhile.

    Returns:
        The process's id.

    Raises:
        OSError: There is no process to be had.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.closerange(0, directory)
            os.closerange(directory + 1, os.sysconf("SC_OPEN_MAX"))
            _own(directory)
            status = 0
        finally:
            os._exit(status)
    return pid


def _own(directory: int) -> None:
    user, group = os.getuid(), os.getgid()
    os.fchown(directory, user, group)
    for path, directories, files, parent in os.fwalk(".", dir_fd=directory):
        for name in (*directories, *files):
            os.chown(name, user, group, dir_fd=parent, follow_symlinks=False)
        if path.count(os.sep) >= DEPTH:
            directories.clear()
