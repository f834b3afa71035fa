"""Translation of the operating system's errors."""

import errno
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from application.errors import OBJECT_STORE, StorageUnavailable
from application.log_context import outage

_log = logging.getLogger("service_server.object_store")

_SENTENCES: Mapping[int | None, str] = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is exceeded",
    errno.EFBIG: "the object exceeds the maximum file size",
    errno.EACCES: "permission denied in its directory",
    errno.EPERM: "permission denied in its directory",
    errno.EROFS: "its file system is read-only",
    errno.EIO: "its disk reports an input/output error",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOENT: "its directory does not exist",
    errno.ELOOP: "a part of the path is not a directory",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EEXIST: "the object's path is not a regular file",
    errno.EISDIR: "the object's path is a directory",
}


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Translate errors of the operating system into StorageUnavailable. Paths are only logged."""
    try:
        yield
    except OSError as error:
        sentence = _SENTENCES.get(error.errno, "the operating system reports an error")
        _log.error("%s failed, %s: %s", action, sentence, error, extra=outage(OBJECT_STORE, sentence))
        raise StorageUnavailable(sentence) from error
