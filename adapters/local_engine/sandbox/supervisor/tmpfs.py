"""A file system in memory for one program, which nobody else sees."""

import os

from adapters.local_engine.sandbox.supervisor.kernel import MS_NODEV, MS_NOSUID, mount_tmpfs
from adapters.local_engine.sandbox.supervisor.protocol import Tmpfs

# With their modes, which are those of a home directory and of /dev/shm elsewhere.
DIRECTORIES = {"box": 0o755, "shm": 0o1777}


def mount_tmpfs_for(scratch: Tmpfs, user: int | None) -> None:
    """Mount a file system of a fixed size with the directories of a box, in a mount namespace of our own.

    Raises:
        OSError: The kernel refuses.
    """
    owner, group = (os.getuid(), os.getgid()) if user is None else (user, user)
    options = (
        f"size={scratch.size_mb}m,nr_inodes={scratch.files + len(DIRECTORIES) + 1},mode=1777,"
        f"uid={owner},gid={group}"
    )
    mount_tmpfs(scratch.directory, MS_NOSUID | MS_NODEV, options)
    for name, mode in DIRECTORIES.items():
        directory = f"{scratch.directory}/{name}"
        os.mkdir(directory)
        os.chmod(directory, mode)
        os.chown(directory, owner, group)
