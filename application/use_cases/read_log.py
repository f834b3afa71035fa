"""Query: read a log from the log store."""

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
    """Reads a log object as text.

    * A log belongs to the project and the tenant of the execution whose result names it.
    * A log that no result names belongs to the default tenant, if its key has the prefix of logs.
    * If an engine's fault makes the results of several jobs name the same log, only callers who can access
      all of these jobs can read it.
    * A signed link gives access to its log only, without a caller, until it expires.
    * The log of a deleted job is not readable from then on, even while its object still exists.
    """

    def __init__(
        self, job_queries: JobQueries, log_store: ObjectStore, log_links: LogLinks, max_bytes: int
    ) -> None:
        self._job_queries = job_queries
        self._log_links = log_links
        self._log_store = log_store
        self._max_bytes = max_bytes

    def __call__(self, caller: Caller, log_key: str) -> str:
        """Return the log's text; bytes that are not UTF-8 appear as U+FFFD.

        Raises:
            InvalidValue: `log_key` is not a valid object key.
            NotFound: There is no such log.
            Unprocessable: The log is larger than `max_bytes`; its URL gives all of it.
        """
        key = ObjectKey(log_key)
        try:
            if self._is_reached(caller, key):
                return self._log_store.get(key, self._max_bytes).decode("utf-8", "replace")
        except NotFound:
            raise NotFound("log", log_key) from None
        raise NotFound("log", log_key)

    def by_link(self, log_key: str, expires: str, signature: str) -> str:
        """Return the text of the log that a link refers to.

        Raises:
            NotFound: The link was not signed by this service or has expired, or its log is gone.
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
