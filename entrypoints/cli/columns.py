"""The columns of tables and the words in their cells, from the catalogue."""

from enum import StrEnum

from domain.catalogue.text import Text, text


class Column(StrEnum):
    """A column, by its name in the catalogue."""

    ABOUT = "about"
    AGE = "age"
    ATTEMPTS = "attempts"
    AVAILABLE = "available"
    BATCH = "batch"
    BY_STATUS = "by_status"
    CASE = "case"
    CREATED = "created"
    CREATED_AT = "created_at"
    CREATED_BY = "created_by"
    DELIVERY = "delivery"
    DESCRIPTION = "description"
    DETAILS = "details"
    DIED_AT = "died_at"
    DURATION = "duration"
    DURATION_MS = "duration_ms"
    ENFORCED = "enforced"
    EVENT = "event"
    EVENTS = "events"
    EXIT = "exit"
    EXPECTED_BYTES = "expected_bytes"
    EXPIRES = "expires"
    FILES = "files"
    HEALTHY = "healthy"
    HIDDEN = "hidden"
    ID = "id"
    JOB = "job"
    JOBS = "jobs"
    KEY_ID = "key_id"
    LANGUAGE = "language"
    LAST_USED = "last_used"
    LATEST = "latest"
    LIMIT = "limit"
    MEMORY = "memory"
    NAME = "name"
    NEXT_ATTEMPT = "next_attempt"
    PART = "part"
    PHASE = "phase"
    PROJECT = "project"
    QUEUE = "queue"
    QUOTA = "quota"
    REASON = "reason"
    RUNTIME = "runtime"
    SCOPES = "scopes"
    SOURCE = "source"
    STATE = "state"
    STATUS = "status"
    STDIN_BYTES = "stdin_bytes"
    STORED_BYTES = "stored_bytes"
    TENANT = "tenant"
    TIME = "time"
    TOTAL = "total"
    UNAVAILABLE_BECAUSE = "unavailable_because"
    UNHEALTHY_BECAUSE = "unhealthy_because"
    URL = "url"
    VALUE = "value"
    VERDICT = "verdict"
    VERSION = "version"
    WEBHOOK_ID = "webhook_id"
    WEIGHT = "weight"

    @property
    def head(self) -> Text:
        """The heading of the column."""
        return text(f"columns.{self}")


def yes_or_no(*, is_so: bool) -> Text:
    """Return the word for a boolean."""
    return text("cli.yes") if is_so else text("cli.no")
