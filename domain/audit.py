"""The audit log: entries about actions, the usage that they add, and the hash chain."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, NewType, Self
from uuid import UUID

from domain.api_key import mask_keys
from domain.tenant import TenantName
from domain.values import ProjectId

AuditEntryId = NewType("AuditEntryId", UUID)

# The outcome of a successful action. The outcome of a refused one is the kind of the refusal.
DONE = "done"
# The outcome of an entry that counts refusals without entries of their own.
LEFT_OUT = "left_out"
# The principal of actions that no caller requested.
SERVICE = "service"
# The principal of an unauthenticated caller.
UNKNOWN = "unknown"

PRINCIPAL_MAX_CHARS = 255
ADDRESS_MAX_CHARS = 64
SUBJECT_MAX_CHARS = 255
OUTCOME_MAX_CHARS = 64
REQUEST_ID_MAX_CHARS = 128
_MAX_CHARS = (
    ("principal", PRINCIPAL_MAX_CHARS),
    ("address", ADDRESS_MAX_CHARS),
    ("subject", SUBJECT_MAX_CHARS),
    ("request_id", REQUEST_ID_MAX_CHARS),
)


class Act(StrEnum):
    """The actions that are recorded.

    JOB_BUILD, JOB_END, JOB_EXPIRE, LOG_EXPIRE, FILES_REMOVE and AUDIT_SHORTEN are actions of the service
    itself.
    """

    JOB_UPLOAD = "job.upload"
    JOB_EXECUTE = "job.execute"
    JOB_CANCEL = "job.cancel"
    JOB_DELETE = "job.delete"
    JOB_TAG = "job.tag"
    JOB_BUILD = "job.build"
    JOB_END = "job.end"
    JOB_EXPIRE = "job.expire"
    LOG_EXPIRE = "log.expire"
    FILES_REMOVE = "files.remove"
    BATCH_SUBMIT = "batch.submit"
    BATCH_CANCEL = "batch.cancel"
    CASE_SET_PUT = "case_set.put"
    CASE_SET_DELETE = "case_set.delete"
    PROJECT_CREATE = "project.create"
    PROJECT_ARCHIVE = "project.archive"
    PROJECT_RESTORE = "project.restore"
    PROJECT_DELETE = "project.delete"
    PROJECT_PURGE = "project.purge"
    PROJECT_RETENTION = "project.retention"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    TENANT_CREATE = "tenant.create"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_DELETE = "tenant.delete"
    TENANT_QUOTA = "tenant.quota"
    TENANT_RETENTION = "tenant.retention"
    SESSION_SIGN_IN = "session.sign_in"
    SESSION_SIGN_OUT = "session.sign_out"
    WEBHOOK_CREATE = "webhook.create"
    WEBHOOK_ROTATE = "webhook.rotate"
    WEBHOOK_ENABLE = "webhook.enable"
    WEBHOOK_DISABLE = "webhook.disable"
    WEBHOOK_DELETE = "webhook.delete"
    WEBHOOK_TEST = "webhook.test"
    WEBHOOK_REDELIVER = "webhook.redeliver"
    ACCESS_REFUSE = "access.refuse"
    AUDIT_SHORTEN = "audit.shorten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Usage of the service. Deletions count as negative stored bytes."""

    uploads: int = 0
    executions: int = 0
    cpu_ms: int = 0
    stored_bytes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            uploads=self.uploads + other.uploads,
            executions=self.executions + other.executions,
            cpu_ms=self.cpu_ms + other.cpu_ms,
            stored_bytes=self.stored_bytes + other.stored_bytes,
        )


NO_USAGE = Usage()
_FIGURES = tuple(field.name for field in fields(Usage))
_figures_of = attrgetter(*_FIGURES)


class EntryRow(NamedTuple):
    """An entry as plain values, with times as text, as it is stored and hashed."""

    entry_id: str
    at: str
    tenant: str | None
    principal: str
    address: str | None
    act: str
    subject: str
    outcome: str
    request_id: str | None
    project_id: int | None
    uploads: int
    executions: int
    cpu_ms: int
    stored_bytes: int
    left_out: int

    @property
    def time(self) -> datetime:
        """The time of the action."""
        return datetime.fromisoformat(self.at)

    @property
    def usage(self) -> Usage:
        """The usage that the action adds."""
        return Usage(
            uploads=self.uploads,
            executions=self.executions,
            cpu_ms=self.cpu_ms,
            stored_bytes=self.stored_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """The record of an action. It contains no key, code, input or output.

    API keys in texts are masked, texts that are too long are truncated, and unprintable characters become
    U+FFFD.

    Attributes:
        tenant: The caller's tenant; None if the caller is unauthenticated.
        principal: The caller's name in records.
        act: An `Act`, or the action of a newer version.
        address: The network address of the caller, if known.
        subject: The id or name of the job, project, key or tenant, or the route.
        outcome: DONE, or the kind of the refusal.
        project: The project of the subject, if any.
        usage: The usage that the action adds.
        left_out: The number of the caller's refusals that this entry represents.
    """

    id: AuditEntryId
    at: datetime
    tenant: TenantName | None
    principal: str
    act: str
    subject: str
    outcome: str = DONE
    address: str | None = None
    request_id: str | None = None
    project: ProjectId | None = None
    usage: Usage = NO_USAGE
    left_out: int = 0

    def __post_init__(self) -> None:
        for name, max_chars in _MAX_CHARS:
            text: str | None = getattr(self, name)
            if text is None:
                continue
            masked = mask_keys(text)[:max_chars]
            if not masked.isprintable():
                masked = "".join(char if char.isprintable() else "\ufffd" for char in masked)
            if masked is not text:
                object.__setattr__(self, name, masked)

    def row(self) -> EntryRow:
        """Return the entry as plain values."""
        usage = self.usage
        return EntryRow(
            str(self.id),
            self.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
            None if self.tenant is None else self.tenant.value,
            self.principal,
            self.address,
            str(self.act),
            self.subject,
            self.outcome,
            self.request_id,
            self.project,
            usage.uploads,
            usage.executions,
            usage.cpu_ms,
            usage.stored_bytes,
            self.left_out,
        )

    @classmethod
    def of(cls, row: EntryRow) -> Self:
        """Build an entry from plain values."""
        return cls(
            id=AuditEntryId(UUID(row.entry_id)),
            at=row.time,
            tenant=None if row.tenant is None else TenantName(row.tenant),
            principal=row.principal,
            address=row.address,
            act=row.act,
            subject=row.subject,
            outcome=row.outcome,
            request_id=row.request_id,
            project=None if row.project_id is None else ProjectId(row.project_id),
            usage=row.usage,
            left_out=row.left_out,
        )


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The position of an entry in the chain: its number, and the hash over it and all entries before it.

    The hash is the SHA-256 of a compact ASCII JSON array: the number, the hash of the previous entry, and the
    entry's row.
    """

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    def next(self, row: EntryRow) -> "ChainLink":
        """Return the link of the next entry."""
        sequence = self.sequence + 1
        canonical = _canonical([sequence, self.hash, *row])
        return ChainLink(sequence, hashlib.sha256(canonical.encode("ascii")).hexdigest())


_canonical = json.JSONEncoder(separators=(",", ":")).encode
# The link before the first entry.
CHAIN_START = ChainLink(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger as stored, with its link."""

    link: ChainLink
    row: EntryRow


def usage_by_day(rows: Iterable[EntryRow]) -> dict[tuple[str, str, int | None], Usage]:
    """Return the sums of the usage of entries, by tenant, day and project; None for entries without one."""
    figures: defaultdict[tuple[str, str, int | None], list[tuple[int, ...]]] = defaultdict(list)
    for row in rows:
        used = _figures_of(row)
        if row.tenant is not None and any(used):
            figures[row.tenant, row.at[:10], row.project_id].append(used)
    sums = ((key, map(sum, zip(*used, strict=True))) for key, used in figures.items())
    return {key: Usage(**dict(zip(_FIGURES, sum_of_each, strict=True))) for key, sum_of_each in sums}
