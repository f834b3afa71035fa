"""Read of a log from the log store."""

from application.errors import NotFound
from application.log_archive import LOG_PREFIX
from application.log_links import LogLinks
from application.ports.job_queries import JobQueries
from application.ports.object_store import ObjectStore
from domain.caller import Caller
from domain.errors import InvalidValue
from domain.tenant import DEFAULT_TENANT
from domain.values import ObjectKey


class ReadLog:
    """Read a log object as text.

    * A log belongs to the project and the tenant of the execution whose result names it.
    * One that no result names belongs to the default tenant, if its key is that of a log.
    * One that the results of several jobs name, by an engine's fault, is read by callers that reach them all.
    * A signed link is good for its log alone, without a caller, until it expires.
    * The log of a deleted job is gone at once, also while its object is still there.
    """

    def __init__(
        self, job_queries: JobQueries, log_store: ObjectStore, log_links: LogLinks, max_bytes: int
    ) -> None:
        self._job_queries = job_queries
        self._log_links = log_links
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

    def by_link(self, log_key: str, expires: str, signature: str) -> str:
        """Return the text of the log of a link.

        Raises:
            NotFound: The link is none of this service's, or has expired, or its log is gone.
            Unprocessable: The log is larger than `max_bytes`.
        """
        try:
            key = ObjectKey(log_key)
            if self._log_links.is_valid(key, expires, signature):
                self._job_queries.owners_of_log(key)
                return self._log_store.get(key, self._max_bytes).decode("utf-8", "replace")
        except (InvalidValue, NotFound):
            pass
        raise NotFound("log", log_key)

    def _is_reached(self, caller: Caller, key: ObjectKey) -> bool:
        tenant = caller.tenant.name
        owners = self._job_queries.owners_of_log(key)
        if owners:
            return all(owner.tenant == tenant and caller.reaches(owner.project_id) for owner in owners)
        return tenant == DEFAULT_TENANT and caller.project is None and key.value.startswith(LOG_PREFIX)
