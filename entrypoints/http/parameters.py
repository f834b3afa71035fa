"""URL parameters that several operations share, and their parsing."""

import base64
import binascii
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes, urlencode
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from application.errors import NotFound
from application.lists import AuditCursor, Cursor, JobFilter
from application.queries.job_reader import DEFAULT_LIMIT, MAX_LIMIT
from domain.api_key import KeyId, parse_key_id
from domain.caller import Caller
from domain.catalogue.text import text
from domain.delivery import DeliveryId
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus, Phase
from domain.language import parse_language
from domain.session import SessionId
from domain.tenant import TenantName
from domain.values import (
    JOB_REFERENCE_MIN_DIGITS,
    BatchId,
    JobId,
    ProjectId,
    WebhookId,
    parse_batch_id,
    parse_job_id,
    parse_job_id_prefix,
    parse_uuid,
)
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

# The longest wait that is valid; SERVICE_SERVER_MAX_WAIT_S shortens it.
_LONGEST_WAIT_S = 86_400
# The maximum length of a search text.
MAX_SEARCH_CHARS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE_CURSOR = (binascii.Error, struct.error, OverflowError, ValueError)
_NUMBERS_FORM = struct.Struct(">qq")
_CURSOR_FORM = struct.Struct(">q16s")  # microseconds since the epoch, and the job's id
_JOB_ID = f"A job's id, a UUID; or the beginning of one, of {JOB_REFERENCE_MIN_DIGITS} digits or more."
JobIdInPath: TypeAlias = Annotated[str, PathParameter(name="jobId", description=_JOB_ID)]
ProjectInPath: TypeAlias = Annotated[str, PathParameter(description="A project's name or id.")]
KeyIdInPath: TypeAlias = Annotated[str, PathParameter(description="A key's id, a UUID.")]
TenantInPath: TypeAlias = Annotated[str, PathParameter(description="A tenant's name.")]
ClusterInPath: TypeAlias = Annotated[str, PathParameter(name="clusterName", description="A cluster's name.")]
Wait: TypeAlias = Annotated[
    float,
    QueryParameter(
        ge=0,
        le=_LONGEST_WAIT_S,
        description="Respond when the job has ended, but after this many seconds at the latest, "
        "with its state at that time.",
    ),
]
LastEventId: TypeAlias = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="The id of the last received event."),
]
_Limit: TypeAlias = Annotated[
    int,
    QueryParameter(description="Maximum number of jobs.", schema_extra={"minimum": 0, "maximum": MAX_LIMIT}),
]
_Statuses: TypeAlias = Annotated[
    tuple[str, ...],
    QueryParameter(
        description="Jobs with this status; may be repeated.",
        schema_extra={"items": {"type": "string", "enum": list(JobStatus)}},
    ),
]
_Phases: TypeAlias = Annotated[
    tuple[str, ...],
    QueryParameter(
        description="Jobs in this phase; may be repeated.",
        schema_extra={"items": {"type": "string", "enum": list(Phase)}},
    ),
]
_Tags: TypeAlias = Annotated[
    tuple[str, ...],
    QueryParameter(
        description="Jobs with this tag, as `name:value`; may be repeated, and jobs must have all "
        "of the tags."
    ),
]
_CreatedAfter: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Jobs created after this time, in RFC 3339 with an offset.",
        schema_extra={"format": "date-time"},
    ),
]
_CreatedBefore: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Jobs created before this time, in RFC 3339 with an offset.",
        schema_extra={"format": "date-time"},
    ),
]
_IdPrefix: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="id",
        description="Jobs whose id begins with this text, with or without hyphens.",
        schema_extra={"minLength": 1, "maxLength": 36},
    ),
]
_Search: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Jobs with this text in their description or in a tag (`name:value`), or at the "
        "beginning or the end of their id; ASCII letters of either case are alike.",
        schema_extra={"minLength": 1, "maxLength": MAX_SEARCH_CHARS},
    ),
]
_Language: TypeAlias = Annotated[str | None, QueryParameter(description="Jobs in this language.")]
CursorText: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="The beginning of the page, from the Link header of the previous page."),
]


_MAX_CHOICES = 16
_T = TypeVar("_T")
_Choice = TypeVar("_Choice", JobStatus, Phase)


def job_filter(
    caller: NamedDependency[Caller],  # noqa: ARG001 - the reason is below
    api: NamedDependency[Api],
    limit: _Limit = DEFAULT_LIMIT,
    status: _Statuses = (),
    phase: _Phases = (),
    language: _Language = None,
    tag: _Tags = (),
    created_after: _CreatedAfter = None,
    created_before: _CreatedBefore = None,
    id_prefix: _IdPrefix = None,
    search: _Search = None,
    cursor: CursorText = None,
) -> JobFilter:
    """Parse the parameters that all lists of jobs share.

    It depends on `caller` so that the framework resolves the two in sequence; in parallel, each would be a
    task.

    Raises:
        InvalidValue: A parameter is invalid.
    """
    return read_filter(
        limit=limit,
        status=status,
        phase=phase,
        language=language,
        tag=tag,
        created_after=created_after,
        created_before=created_before,
        id_prefix=id_prefix,
        search=search,
        cursor=None if cursor is None else read_cursor(cursor),
        max_tags=api.settings.max_tags,
    )


def read_filter(
    *,
    limit: int,
    status: Sequence[str],
    phase: Sequence[str],
    language: str | None,
    tag: Sequence[str],
    created_after: str | None,
    created_before: str | None,
    id_prefix: str | None,
    search: str | None,
    cursor: Cursor | None,
    max_tags: int,
) -> JobFilter:
    """Parse the filters of a list of jobs.

    Raises:
        InvalidValue: A filter is invalid.
    """
    _check_number("tag", tag, max_tags)
    return JobFilter(
        limit=limit,
        statuses=_choices("status", status, JobStatus),
        phases=_choices("phase", phase, Phase),
        language=None if language is None else parse_language(language).name,
        tags=_tags(tag),
        created_after=parse_time("created_after", created_after),
        created_before=parse_time("created_before", created_before),
        id_prefix=None if id_prefix is None else parse_job_id_prefix(id_prefix),
        search=parse_search(search),
        cursor=cursor,
    )


def parse_search(given: str | None) -> str | None:
    """Parse a search text, if one is given.

    Raises:
        InvalidValue: The text is empty or too long.
    """
    if given is not None and not 1 <= len(given) <= MAX_SEARCH_CHARS:
        raise InvalidValue("search", text("problems.search_length", maximum=MAX_SEARCH_CHARS))
    return given


def next_page(request: AnyRequest, cursor: Cursor | None) -> dict[str, str]:
    """Return the Link header for the next page of jobs, batches or deliveries, if there is one."""
    return link_to_next(request, None if cursor is None else write_cursor(cursor))


def link_to_next(request: AnyRequest, cursor: str | None) -> dict[str, str]:
    """Return the Link header for the next page of a list, if there is one (RFC 8288).

    The reference is relative, so it works behind a proxy too, and keeps all filters of the list.
    """
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    return {"Link": f'<{quote(request.scope["path"])}?{query}>; rel="next"'}


async def check_url(request: AnyRequest) -> None:
    """Refuse a URL that would be decoded with replacement characters.

    Raises:
        InvalidValue: The URL is not UTF-8 after percent-decoding (RFC 3986, 2.5).
    """
    for name, part in (("path", request.scope["raw_path"]), ("query", request.scope["query_string"])):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise InvalidValue(name, text("problems.percent_encoded")) from None


def _existing(kind: str, parse: Callable[[str], _T], text: str) -> _T:
    """Parse a name or an id.

    Raises:
        NotFound: The text is malformed, so nothing has this name or id.
    """
    try:
        return parse(text)
    except InvalidValue:
        raise NotFound(kind, text) from None


def existing_job(text: str) -> JobId:
    """Parse a job's id, as `_existing` does."""
    return _existing("job", parse_job_id, text)


def existing_batch(text: str) -> BatchId:
    """Parse a batch's id, as `_existing` does."""
    return _existing("batch", parse_batch_id, text)


def existing_key(text: str) -> KeyId:
    """Parse a key's id, as `_existing` does."""
    return _existing("key", parse_key_id, text)


def existing_session(text: str) -> SessionId:
    """Parse a session's id, as `_existing` does."""
    return SessionId(_existing("session", partial(parse_uuid, "session"), text))


def existing_webhook(text: str) -> WebhookId:
    """Parse a webhook's id, as `_existing` does."""
    return WebhookId(_existing("webhook", partial(parse_uuid, "webhook"), text))


def existing_delivery(text: str) -> DeliveryId:
    """Parse a delivery's id, as `_existing` does."""
    return DeliveryId(_existing("delivery", partial(parse_uuid, "delivery"), text))


def existing_tenant(text: str) -> TenantName:
    """Parse a tenant's name, as `_existing` does."""
    return _existing("tenant", TenantName, text)


def only_one(name: str, in_query: str | None, in_body: str | None) -> str | None:
    """Return a value that may be in the query or in the body.

    Raises:
        InvalidValue: The value is in both.
    """
    if in_query is not None and in_body is not None:
        raise InvalidValue(name, text("problems.once"))
    return in_body if in_query is None else in_query


def _check_number(name: str, values: Sequence[str], maximum: int) -> None:
    if len(values) > maximum:
        raise InvalidValue(name, text("problems.times", maximum=maximum))


def _choices(name: str, texts: Sequence[str], kind: type[_Choice]) -> frozenset[_Choice]:
    _check_number(name, texts, _MAX_CHOICES)
    try:
        return frozenset(map(kind, texts))
    except ValueError:
        raise InvalidValue(name, text("problems.one_of", choices=", ".join(kind))) from None


def _tags(texts: Sequence[str]) -> Mapping[str, str]:
    tags: dict[str, str] = {}
    for given in texts:
        name, colon, value = given.partition(":")
        if not colon or tags.get(name, value) != value:
            raise InvalidValue("tag", text("problems.tag_once"))
        tags[name] = value
    return tags


def parse_time(name: str, given: str | None) -> datetime | None:
    """Parse a time with an offset, if one is given.

    Raises:
        InvalidValue: The text is not a time with an offset.
    """
    if given is None:
        return None
    try:
        time = datetime.fromisoformat(given)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(name, text("problems.time"))


def parse_day(name: str, given: str | None) -> date | None:
    """Parse a day, if one is given.

    Raises:
        InvalidValue: The text is not a day.
    """
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidValue(name, text("problems.day")) from None


def write_cursor(cursor: Cursor) -> str:
    """Encode a cursor."""
    microseconds = (cursor.at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_CURSOR_FORM.pack(microseconds, cursor.id.bytes)).decode()


def read_cursor(text: str) -> Cursor:
    """Decode a cursor.

    Raises:
        InvalidValue: The text is not from `write_cursor`.
    """
    try:
        microseconds, last_id = _CURSOR_FORM.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
        return Cursor(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=last_id))
    except _UNREADABLE_CURSOR:
        raise _no_cursor() from None


def write_entry_cursor(cursor: AuditCursor) -> str:
    """Encode a cursor of the audit log."""
    return _write_numbers((cursor.at - _EPOCH) // timedelta(microseconds=1), cursor.sequence)


def read_entry_cursor(text: str) -> AuditCursor:
    """Decode a cursor of the audit log.

    Raises:
        InvalidValue: The text is not from `write_entry_cursor`.
    """
    try:
        microseconds, sequence = _read_numbers(text)
        return AuditCursor(_EPOCH + timedelta(microseconds=microseconds), sequence)
    except _UNREADABLE_CURSOR:
        raise _no_cursor() from None


def write_day_cursor(day: date, project_id: ProjectId) -> str:
    """Encode a cursor of the usage by day and project."""
    return _write_numbers(day.toordinal(), project_id)


def read_day_cursor(text: str) -> tuple[date, ProjectId]:
    """Decode a cursor of the usage by day and project.

    Raises:
        InvalidValue: The text is not from `write_day_cursor`.
    """
    try:
        day, project_id = _read_numbers(text)
        return date.fromordinal(day), ProjectId(project_id)
    except _UNREADABLE_CURSOR:
        raise _no_cursor() from None


def _write_numbers(*numbers: int) -> str:
    return base64.urlsafe_b64encode(_NUMBERS_FORM.pack(*numbers)).decode()


def _read_numbers(text: str) -> tuple[int, int]:
    first, second = _NUMBERS_FORM.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
    return first, second


def _no_cursor() -> InvalidValue:
    return InvalidValue("cursor", text("problems.cursor"))
