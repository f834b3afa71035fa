"""The transfer of a program's files to the service's user, which could not read them unless it is root."""

import os

# The depth to which files are collected. A descriptor is open for each level.
DEPTH = 32


def start_owning(directory: int) -> int:
    """Start a process that makes this process's user the owner of a directory and its content.

    The program must have no processes left. The supervisor, which is root in this user namespace, does not
    wait for the process.

    Returns:
        The id of the process.

    Raises:
        OSError: The process cannot be started.
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
