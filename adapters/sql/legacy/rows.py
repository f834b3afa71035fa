"""Conversion of the replaced service's rows to this service's projects, jobs and executions."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid5

from adapters.sql.legacy.schema import LegacyTable, Row
from domain.catalogue.text import Text, said_by, text
from domain.errors import DomainError, InvalidValue
from domain.execution import Execution, ExecutionResult, Note, Output, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import Language, parse_language
from domain.limits import LimitPolicy, Limits
from domain.priority import DEFAULT_PRIORITY
from domain.submission import JobSpec
from domain.tenant import DEFAULT_TENANT
from domain.values import (
    PROJECT_NAME_MAX_CHARS,
    ExecutionId,
    JobId,
    ObjectKey,
    ProjectId,
    ProjectName,
    normalized_name,
)

# The holder of imported executions.
IMPORTED = "import"
_MAX_INTEGER = 2**31 - 1
# An id above this would leave too few ids for new projects, because they continue after the highest one.
MAX_KEPT_PROJECT_ID = 2**30
_INTERRUPTED = "the job was running in the replaced service when it was imported"
_EXECUTIONS = UUID("5e7f5c2e-3a53-4b0c-9a51-0c6a3a1c9b11")
_LANGUAGE = re.compile(r"[a-z0-9][a-z0-9.+#_-]{0,31}")
_STATUSES: Mapping[str, JobStatus] = {
    **{status.value: status for status in JobStatus},
    **dict.fromkeys(("CREATED", "UPLOADED", "QUEUED", "SUBMITTED", "READY"), JobStatus.PENDING),
    **dict.fromkeys(("STARTED", "PROCESSING", "EXECUTING", "IN_PROGRESS"), JobStatus.RUNNING),
    **dict.fromkeys(("SUCCEEDED", "COMPLETED", "COMPLETE", "DONE", "FINISHED"), JobStatus.SUCCESS),
    **dict.fromkeys(("FAILURE", "FAIL", "ERROR"), JobStatus.FAILED),
    **dict.fromkeys(("TIMED_OUT", "TIMEDOUT"), JobStatus.TIMEOUT),
    **dict.fromkeys(("CANCELED", "ABORTED", "KILLED", "STOPPED"), JobStatus.CANCELLED),
}
_MILLISECONDS_FROM = 100_000_000_000  # larger numbers are milliseconds; as seconds, this is the year 5138

Tell = Callable[[Text], None]


class Skipped(Exception):
    """A row cannot be imported; the message is the reason."""


@dataclass(frozen=True, slots=True)
class ImportedJob:
    """A job with its executions, oldest first."""

    job: Job
    executions: Sequence[Execution]

    def with_new_ids(self, taken: set[ExecutionId]) -> "ImportedJob":
        """Return the job with new ids for executions whose ids are taken, and add all ids to `taken`.

        In the replaced service, attempts of several jobs may have the same id.
        """
        executions = []
        for execution in self.executions:
            is_taken = execution.id in taken
            new_id = _derived_id(self.job.id, execution.number) if is_taken else execution.id
            executions.append(replace(execution, id=new_id))
            taken.add(new_id)
        current = executions[-1].id if executions else None
        return ImportedJob(replace(self.job, current_execution_id=current), executions)


@dataclass(frozen=True, slots=True)
class LegacyProject:
    """A project of the replaced service."""

    id: int
    name: str
    description: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """Converts rows.

    Attributes:
        zone: The time zone of times without a zone.
        limits: The defaults and bounds of a job's limits.
    """

    zone: tzinfo
    limits: LimitPolicy

    def project(self, row: Row, table: LegacyTable) -> LegacyProject:
        """Convert a row of a project.

        Raises:
            Skipped: Its id is invalid.
        """
        project_id = _integer(row["id"])
        if project_id is None or not 0 < project_id <= _MAX_INTEGER:
            raise Skipped(text("import.project_id"))
        return LegacyProject(
            project_id,
            _text(row["name"]) or "",
            _text(row.get("description")),
            self._time(row, table, "created_at"),
        )

    def job(
        self,
        row: Row,
        table: LegacyTable,
        project_id: ProjectId,
        attempts: Sequence[tuple[Row, LegacyTable]],
        tell: Tell,
    ) -> ImportedJob:
        """Convert a row of a job and the rows of its attempts, and report changed values.

        Raises:
            Skipped: The row is not valid as a job of this service.
        """
        job_id = JobId(_uuid(row["id"]))
        was = _status(row["status"])
        never_ran = was is JobStatus.PENDING or (
            was is JobStatus.CANCELLED and not attempts and row.get("started_at") is None
        )
        # A result in the job's own row counts as an attempt.
        ran = [] if never_ran else attempts or [(row, table)]
        created_at = self._earliest((row, table), *attempts)
        status, reason = was, Reason.CANCELLED if was is JobStatus.CANCELLED else None
        executions = self._executions(job_id, was, created_at, ran, tell)
        if executions:
            last = executions[-1].result
            status, reason = (last.status, last.reason) if last else (status, reason)
        started_at = self._time(row, table, "started_at") or (
            executions[0].requested_at if executions else None
        )
        completed_at = None
        if status.is_terminal:
            ended_at = executions[-1].ended_at if executions else None
            completed_at = (
                self._time(row, table, "completed_at") or ended_at or self._time(row, table, "updated_at")
            )
        started_at = _not_before(started_at, created_at)
        if status.is_terminal:
            completed_at = _not_before(completed_at or started_at or created_at, started_at or created_at)
        updated_at = _not_before(self._time(row, table, "updated_at"), created_at)
        job = Job(
            id=job_id,
            tenant=DEFAULT_TENANT,
            project_id=project_id,
            spec=self._spec(row, tell),
            status=status,
            created_at=created_at,
            updated_at=max(filter(None, (updated_at, completed_at, started_at, created_at))),
            reason=reason,
            started_at=started_at,
            completed_at=completed_at,
            current_execution_id=executions[-1].id if executions else None,
        )
        return ImportedJob(job, executions)

    def _spec(self, row: Row, tell: Tell) -> JobSpec:
        try:
            code_key = ObjectKey(_text(row["code_key"]) or "")
            return JobSpec(
                code_key=code_key,
                language=_language(_text(row.get("language")) or _extension(code_key)),
                limits=self._limits(row.get("timeout_ms"), tell),
                function_name=_text(row.get("function_name")),
                description=_text(row.get("description")),
                stdin=_text(row.get("stdin")) or "",
            )
        except DomainError as error:
            raise Skipped(said_by(error)) from error

    def _limits(self, timeout: object, tell: Tell) -> Limits:
        standard = self.limits.resolve({})
        timeout_ms = _integer(timeout)
        if timeout_ms is None:
            return standard
        try:
            return self.limits.resolve({"timeout_ms": timeout_ms})
        except InvalidValue as error:
            new_ms, detail = standard.timeout_ms, error.detail
            tell(text("import.timeout", timeout_ms=timeout_ms, detail=detail, new_ms=new_ms))
            return standard

    def _executions(
        self,
        job_id: JobId,
        was: JobStatus,
        created_at: datetime,
        ran: Sequence[tuple[Row, LegacyTable]],
        tell: Tell,
    ) -> list[Execution]:
        ordered = sorted(ran, key=lambda one: (self._begin(*one) or created_at, str(one[0]["id"])))
        found = []
        for number, (row, table) in enumerate(ordered, start=1):
            is_last = number == len(ordered)
            begin = _not_before(self._begin(row, table), created_at) or created_at
            started_at = _not_before(self._time(row, table, "started_at"), begin)
            end = self._time(row, table, "completed_at") or started_at or begin
            result = self._result(row, was if is_last else None, tell)
            found.append(
                Execution(
                    id=_execution_id(row["id"], job_id, number),
                    job_id=job_id,
                    number=number,
                    priority=DEFAULT_PRIORITY,
                    stdin=_text(row.get("stdin")),
                    requested_at=begin,
                    claimed_at=started_at,
                    claimed_by=IMPORTED,
                    started_at=started_at,
                    ended_at=_not_before(end, started_at or begin),
                    result=result,
                )
            )
        return found

    def _begin(self, row: Row, table: LegacyTable) -> datetime | None:
        return self._time(row, table, "started_at") or self._time(row, table, "created_at")

    def _result(self, row: Row, status_of_job: JobStatus | None, tell: Tell) -> ExecutionResult:
        exit_code = _integer(row.get("exit_code"))
        status = status_of_job or _status_of_attempt(row, exit_code)
        resource = ResourceUsage(
            execution_time_ms=_whole(_number(row.get("execution_time_ms"))),
            cpu_percent=_number(row.get("cpu_percent")),
            memory_mb=_number(row.get("memory_mb")),
        )
        result = ExecutionResult(
            status=JobStatus.SUCCESS,
            stdout=Output.of(_text(row.get("stdout")) or ""),
            stderr=Output.of(_text(row.get("stderr")) or ""),
            exit_code=exit_code,
            resource=None if resource == ResourceUsage() else resource,
            error=_text(row.get("error_message")) or None,
            log_key=_log_key(row.get("log_key"), tell),
            notes=(Note.EXIT_CODE_UNKNOWN,) if exit_code is None and status.is_terminal else (),
        )
        if status is JobStatus.SUCCESS:
            return result
        if not status.is_terminal:
            message = result.error or _INTERRUPTED
            return replace(result, status=JobStatus.FAILED, reason=Reason.WORKER_LOST, error=message)
        return replace(result, status=status, reason=_reason(status, result))

    def _earliest(self, *rows: tuple[Row, LegacyTable]) -> datetime:
        (row, table), *attempts = rows
        for field in ("created_at", "started_at", "updated_at", "completed_at"):
            if (time := self._time(row, table, field)) is not None:
                return time
        times = [time for attempt in attempts if (time := self._begin(*attempt)) is not None]
        if not times:
            raise Skipped(text("import.no_time"))
        return min(times)

    def _time(self, row: Row, table: LegacyTable, field: str) -> datetime | None:
        value = row.get(field)
        zone = UTC if field in table.instants else self.zone
        try:
            return _to_time(value, zone)
        except (ValueError, OverflowError, OSError):
            raise Skipped(text("import.wrong_time", field=field, value=repr(value))) from None


def suitable_name(project: LegacyProject) -> ProjectName:
    """Return a project's name, or the most similar valid name."""
    cleaned = "".join(
        "-" if character in "/\\" else character
        for character in normalized_name(project.name)
        if character.isprintable()
    ).strip()[:PROJECT_NAME_MAX_CHARS]
    for name in (project.name, cleaned, f"project-{cleaned or project.id}", f"project-{project.id}"):
        try:
            return ProjectName(name)
        except InvalidValue:
            continue
    raise AssertionError(project)  # the last name is always valid


def _to_time(value: Any, zone: tzinfo) -> datetime | None:  # noqa: ANN401 - any value of a driver
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        if not value.strip() or value.startswith("0000"):  # MySQL's zero date
            return None
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone is added below
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if (number := _number(value)) is None:
        return None
    return datetime.fromtimestamp(number / 1_000 if number > _MILLISECONDS_FROM else number, UTC)


def _not_before(time: datetime | None, earliest: datetime | None) -> datetime | None:
    return time if time is None or earliest is None else max(time, earliest)


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float | None:  # noqa: ANN401 - any value of a driver
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _whole(number: float | None) -> int | None:
    return None if number is None else _integer(round(number))


def _integer(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) and abs(number) < 1 << 53 else None


def comparable_id(value: object) -> str | None:
    """Return an id in a form that is equal if most databases consider the ids equal."""
    given = _text(value)
    return None if given is None else given.rstrip(" ").lower()


def _uuid(value: object) -> UUID:
    try:
        return UUID((_text(value) or "").strip())
    except ValueError:
        raise Skipped(text("import.no_uuid")) from None


def _execution_id(value: object, job_id: JobId, number: int) -> ExecutionId:
    """Return an attempt's own id, or a deterministic one."""
    try:
        own = UUID(_text(value) or "")
    except ValueError:
        own = job_id
    return ExecutionId(own) if own != job_id else _derived_id(job_id, number)


def _derived_id(job_id: JobId, number: int) -> ExecutionId:
    return ExecutionId(uuid5(_EXECUTIONS, f"{job_id}/{number}"))


def _status(value: object) -> JobStatus:
    given = (_text(value) or "").strip()
    try:
        return _STATUSES[given.upper().replace(" ", "_").replace("-", "_")]
    except KeyError:
        raise Skipped(text("import.unknown_status", status=repr(given))) from None


def _status_of_attempt(row: Row, exit_code: int | None) -> JobStatus:
    """Return the status of an earlier attempt: its own if final, else derived from its exit code."""
    given = (_text(row.get("status")) or "").strip().upper()
    known = _STATUSES.get(given)
    if known is not None and known.is_terminal:
        return known
    return JobStatus.SUCCESS if exit_code == 0 else JobStatus.FAILED


def _reason(status: JobStatus, result: ExecutionResult) -> Reason:
    if status is JobStatus.TIMEOUT:
        return Reason.WALL_TIME_LIMIT
    if status is JobStatus.CANCELLED:
        return Reason.CANCELLED
    has_said_why = result.exit_code is not None or result.stderr.text
    return Reason.NONZERO_EXIT if has_said_why else Reason.ENGINE_ERROR


def _language(name: str) -> Language:
    """Return a language, even if this service cannot run it."""
    plain = name.strip().lower()
    try:
        return parse_language(plain)
    except InvalidValue:
        if _LANGUAGE.fullmatch(plain) is None:
            raise
        return Language(plain, extension="", title=plain)


def _extension(key: ObjectKey) -> str:
    """Return the extension of a source file without its dot. Most languages can be found by it."""
    return PurePosixPath(key.value).suffix.removeprefix(".")


def _log_key(value: object, tell: Tell) -> ObjectKey | None:
    given = _text(value)
    if not given:
        return None
    try:
        return ObjectKey(given)
    except InvalidValue as error:
        tell(text("import.log_key", detail=error.detail))
        return None
