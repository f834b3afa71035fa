"""Query: read a job's source code from the code store."""

from application.errors import NotFound
from application.ports.object_store import ObjectStore
from domain.job import Job


class ReadCode:
    """Reads a job's source code."""

    def __init__(self, code_store: ObjectStore) -> None:
        self._code_store = code_store

    def __call__(self, job: Job) -> str:
        """Return the code; bytes that are not UTF-8 appear as U+FFFD.

        Raises:
            NotFound: The code is no longer in the store.
        """
        code_key = job.spec.code_key
        try:
            return self._code_store.get(code_key, job.spec.max_code_bytes).decode("utf-8", "replace")
        except NotFound:
            raise NotFound("code", code_key) from None
