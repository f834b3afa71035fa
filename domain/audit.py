"""An entry of the audit log: an act, its caller, its outcome, and the use of the service that it adds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from domain.tenant import TenantName
from domain.values import ProjectId

AuditEntryId = NewType("AuditEntryId", UUID)

# The outcome of an act that was done. That of a refused one is the refusal's kind.
DONE = "done"
# The outcome in an entry that counts refusals which have none of their own.
LEFT_OUT = "left_out"
# The principal of acts that no caller asked for.
SERVICE = "service"
# The principal of a caller that did not show who it is.
UNKNOWN = "unknown"

PRINCIPAL_MAX_CHARS = 255
ADDRESS_MAX_CHARS = 64
SUBJECT_MAX_CHARS = 255
OUTCOME_MAX_CHARS = 64
REQUEST_ID_MAX_CHARS = 128
_MAX_CHARS = {
    "principal": PRINCIPAL_MAX_CHARS,
    "address": ADDRESS_MAX_CHARS,
    "subject": SUBJECT_MAX_CHARS,
    "request_id": REQUEST_ID_MAX_CHARS,
}


class Act(StrEnum):
    """The acts that are recorded. JOB_END is the service's own."""

    JOB_UPLOAD = "job.upload"
    JOB_EXECUTE = "job.execute"
    JOB_CANCEL = "job.cancel"
    JOB_DELETE = "job.delete"
    JOB_END = "job.end"
    PROJECT_CREATE = "project.create"
    PROJECT_ARCHIVE = "project.archive"
    PROJECT_RESTORE = "project.restore"
    PROJECT_DELETE = "project.delete"
    PROJECT_PURGE = "project.purge"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    TENANT_CREATE = "tenant.create"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_DELETE = "tenant.delete"
    TENANT_QUOTA = "tenant.quota"
    SESSION_SIGN_IN = "session.sign_in"
    SESSION_SIGN_OUT = "session.sign_out"
    ACCESS_REFUSE = "access.refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Use of the service. What is deleted counts as stored bytes below zero."""

    uploads: int = 0
    executions: int = 0
    cpu_ms: int = 0
    stored_bytes: int = 0


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """The record of an act. It has no key, no code, no input and no output of a program.

    Texts that are too long are cut off, and characters that do not print become U+FFFD.

    Attributes:
        tenant: The caller's; None if the caller did not show who it is.
        principal: The caller's name in records.
        address: The network address that the caller called from, if it is known.
        subject: The id or name of the job, project, key or tenant, or the route.
        outcome: DONE, or the kind of the refusal.
        project: The project of the subject, if it has one.
        usage: The use that the act adds.
        left_out: How many refusals of the caller this entry stands for.
    """

    id: AuditEntryId
    at: datetime
    tenant: TenantName | None
    principal: str
    act: Act
    subject: str
    outcome: str = DONE
    address: str | None = None
    request_id: str | None = None
    project: ProjectId | None = None
    usage: Usage = NO_USAGE
    left_out: int = 0

    def __post_init__(self) -> None:
        for name, max_chars in _MAX_CHARS.items():
            text: str | None = getattr(self, name)
            if text is not None and (len(text) > max_chars or not text.isprintable()):
                printable = (char if char.isprintable() else "\ufffd" for char in text[:max_chars])
                object.__setattr__(self, name, "".join(printable))
