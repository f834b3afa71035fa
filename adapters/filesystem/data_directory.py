"""Check of the data directory at startup."""

import errno
import os
import pwd
import tempfile
from collections.abc import Mapping
from pathlib import Path

from application.errors import DependencyUnavailable

_SENTENCES: Mapping[int | None, str] = {
    errno.EROFS: "its file system is read-only",
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "the disk quota is exceeded",
    errno.EMFILE: "this process has too many open files",
}
_REFUSALS = {errno.EACCES, errno.EPERM}
# The size of the first tables: with less room, the service cannot start.
_ROOM_BYTES = 64 << 10


def prepare_data_directory(directory: Path) -> Path:
    """Create a directory with access for this user only, if it is missing, and check that it is writable.

    Raises:
        DependencyUnavailable: The directory cannot be created or written to; the message names the directory,
            the cause and the setting.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid == os.geteuid():
            directory.chmod(0o700)
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(bytes(_ROOM_BYTES))
    except OSError as error:
        raise DependencyUnavailable(
            "data directory",
            f"{directory}: {_sentence(directory, error)}; SERVICE_SERVER_DATA_DIR selects another directory",
        ) from error
    return directory


def _sentence(directory: Path, error: OSError) -> str:
    place = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not place.is_dir():
        return "it is not a directory" if place == directory else f"{place} is not a directory"
    if error.errno in _REFUSALS:
        where = "it" if place == directory else str(place)
        owner = _user(place.stat().st_uid)
        return f"{_user(os.geteuid())} has no permission to write to {where}, which belongs to {owner}"
    return _SENTENCES.get(error.errno, (error.strerror or "the operating system reports an error").lower())


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
