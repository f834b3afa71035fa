"""Read of a log from the log store."""

from application.errors import NotFound
from application.log_archive import LOG_PREFIX
from application.ports.job_queries import JobQueries
from application.ports.object_store import ObjectStore
from domain.caller import Caller
from domain.tenant import DEFAULT_TENANT
from domain.values import ObjectKey


class ReadLog:
    """Read a log object as text.

    * A log belongs to the project and the tenant of the execution whose result names it.
    * One that no result names belongs to the default tenant, if its key is that of a log.
    * One that the results of several jobs name, by an engine's fault, is read by callers that reach them all.
    * The log of a deleted job is gone at once, also while its object is still there.
    """

    def __init__(self, job_queries: JobQueries, log_store: ObjectStore, max_bytes: int) -> None:
        self._job_queries = job_queries
        self._log_store = log_store
        self._max_bytes = max_bytes

    def __call__(self, caller: Caller, log_key: str) -> str:
        """Return the log's text; bytes outside UTF-8 appear as U+FFFD.

        Raises:
            InvalidValue: It cannot be the key of an object.
            NotFound: There is no such log.
            Unprocessable: It is larger than `max_bytes`; its URL has all of it.
        """
        key = ObjectKey(log_key)
        try:
            if self._is_reached(caller, key):
                return self._log_store.get(key, self._max_bytes).decode("utf-8", "replace")
        except NotFound:
            raise NotFound("log", log_key) from None
        raise NotFound("log", log_key)

    def _is_reached(self, caller: Caller, key: ObjectKey) -> bool:
        tenant = caller.tenant.name
        owners = self._job_queries.owners_of_log(key)
        if owners:
            return all(owner.tenant == tenant and caller.reaches(owner.project_id) for owner in owners)
        return tenant == DEFAULT_TENANT and caller.project is None and key.value.startswith(LOG_PREFIX)
