"""The history of jobs, recorded by database triggers in the transactions that made it."""

from collections import Counter
from collections.abc import Collection

import sqlalchemy as sa

from domain.job_lifecycle import JobStatus
from tests.support.cluster import rows

TERMINAL = frozenset(status for status in JobStatus if status.is_terminal)
ENDINGS = frozenset({"JobCompleted", "JobCancelled"})

_STATEMENTS = (
    """CREATE TABLE audit_log (
        number BIGINT AUTO_INCREMENT PRIMARY KEY,
        job_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        kind CHAR(9) NOT NULL,
        was VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        became VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        KEY (job_id)
    )""",
    """CREATE TRIGGER audit_log_jobs AFTER UPDATE ON jobs FOR EACH ROW
        INSERT INTO audit_log (job_id, kind, was, became)
        VALUES (NEW.job_id, 'job', OLD.status, NEW.status)""",
    """CREATE TRIGGER audit_log_executions AFTER UPDATE ON executions FOR EACH ROW
        INSERT INTO audit_log (job_id, kind, was, became)
        SELECT NEW.job_id, 'execution', OLD.state, NEW.state WHERE OLD.state <> NEW.state""",
    """CREATE TRIGGER audit_log_events AFTER INSERT ON outbox FOR EACH ROW
        INSERT INTO audit_log (job_id, kind, was, became)
        SELECT JSON_UNQUOTE(JSON_EXTRACT(NEW.body, '$.job_id')), 'event', '', NEW.name
        WHERE JSON_EXTRACT(NEW.body, '$.job_id') IS NOT NULL""",
)


class AuditLog:
    """Reads the record."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def install(self) -> None:
        """Begin to record."""
        with self._database.connect() as connection:
            for statement in _STATEMENTS:
                connection.execute(sa.text(statement))

    def claims(self, job_id: str) -> int:
        """Return how often an execution of the job was claimed."""
        return len([1 for kind, was, became in self.record(job_id) if (kind, was, became) == _CLAIM])

    def record(self, job_id: str) -> list[tuple[str, str, str]]:
        """Return the history of a job, in order."""
        return rows(
            self._database,
            "SELECT kind, was, became FROM audit_log WHERE job_id = :job_id ORDER BY number",
            job_id=job_id,
        )

    def violations(self, job_ids: Collection[str]) -> list[str]:
        """Return the jobs that changed after their end, or did not end once, or did not publish it once."""
        ends: Counter[str] = Counter()
        told: Counter[str] = Counter()
        changed = []
        happened = rows(self._database, "SELECT job_id, kind, was, became FROM audit_log")
        for job_id, kind, was, became in happened:
            if kind == "job" and was in TERMINAL:
                changed.append(f"{job_id} was {was} and became {became}")
            ends[job_id] += kind == "job" and became in TERMINAL
            told[job_id] += kind == "event" and became in ENDINGS
        return changed + [
            f"{job_id} ended {ends[job_id]} times and told it {told[job_id]} times"
            for job_id in job_ids
            if (ends[job_id], told[job_id]) != (1, 1)
        ]


_CLAIM = ("execution", "WAITING", "CLAIMED")
