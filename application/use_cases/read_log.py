"""Read of a log from the log store."""

from application.errors import NotFound
from application.log_archive import LOG_PREFIX
from application.ports.object_store import ObjectStore
from domain.values import ObjectKey


class ReadLog:
    """Read a log object as text. Only keys of logs are read."""

    def __init__(self, log_store: ObjectStore, max_bytes: int) -> None:
        self._log_store = log_store
        self._max_bytes = max_bytes

    def __call__(self, log_key: str) -> str:
        """Return the log's text; bytes outside UTF-8 appear as U+FFFD.

        Raises:
            InvalidValue: It cannot be the key of an object.
            NotFound: There is no such log.
            Unprocessable: It is larger than `max_bytes`; its URL has all of it.
        """
        key = ObjectKey(log_key)
        if not log_key.startswith(LOG_PREFIX):
            raise NotFound("log", log_key)
        try:
            return self._log_store.get(key, self._max_bytes).decode("utf-8", "replace")
        except NotFound:
            raise NotFound("log", log_key) from None
