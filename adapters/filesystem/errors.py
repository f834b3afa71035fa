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
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the object is larger than a file may be here",
    errno.EACCES: "its directory does not permit it",
    errno.EPERM: "its directory does not permit it",
    errno.EROFS: "its file system is read-only",
    errno.EIO: "its disk reports an input/output error",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOENT: "its directory does not exist",
    errno.ELOOP: "something other than a directory is where a directory should be",
    errno.ENOTDIR: "something other than a directory is where a directory should be",
    errno.EEXIST: "something other than a file is where the object should be",
    errno.EISDIR: "a directory is where the object should be",
}


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Translate errors of the operating system into StorageUnavailable. Paths are only logged."""
    try:
        yield
    except OSError as error:
        sentence = _SENTENCES.get(error.errno, "the operating system refuses")
        _log.error("%s failed, %s: %s", action, sentence, error, extra=outage(OBJECT_STORE, sentence))
        raise StorageUnavailable(sentence) from error
