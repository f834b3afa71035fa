"""Names and keys that are validated when they are created."""

import unicodedata
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from domain.catalogue.text import text
from domain.errors import InvalidValue

# An id begins with a timestamp in milliseconds (RFC 9562, 5.7): jobs of the same minute share these digits.
JOB_REFERENCE_MIN_DIGITS = 8
_UUID_DIGITS, _HEX_DIGITS = 32, frozenset("0123456789abcdef")
JobId = NewType("JobId", UUID)
ExecutionId = NewType("ExecutionId", UUID)
MessageId = NewType("MessageId", UUID)
ProjectId = NewType("ProjectId", int)
BatchId = NewType("BatchId", UUID)
WebhookId = NewType("WebhookId", UUID)

PROJECT_NAME_MAX_CHARS = 255
# NFC yields one character from at most four, in time quadratic in the number of consecutive marks.
_LONGEST_UNNORMALIZED = 4 * PROJECT_NAME_MAX_CHARS
# An S3 key holds at most 1,024 bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
OBJECT_KEY_MAX_BYTES = 1024
_NO_SEGMENTS = frozenset({"", ".", ".."})
# Requests that an emoji is shown in color; keyboards add it. It is not a visible character.
_EMOJI_PRESENTATION = "\N{VARIATION SELECTOR-16}"
# Characters that count as printable but show nothing: Default_Ignorable_Code_Point (Unicode Character
# Database, DerivedCoreProperties.txt), except for characters that are already unprintable, and two blank
# symbols.
_INVISIBLE = frozenset(
    chr(code)
    for codes in (
        (0x034F,),  # combining grapheme joiner
        (0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),  # variation selectors
        (0x2800, 0x1D159),  # blank Braille pattern, null notehead
    )
    for code in codes
)
# The length that a code key adds to the project's name: a slash, a UUID and an extension.
_CODE_KEY_OVERHEAD_BYTES = 1 + 36 + 16


@dataclass(frozen=True, slots=True)
class ProjectName:
    """A project's name: trimmed, in Unicode's NFC form, and safe as one segment of an object key.

    The presentation selector of an emoji (U+FE0F) is removed, so that names with and without it are equal. An
    emoji joined from several with U+200D is refused, because the joiner is invisible.

    Raises:
        InvalidValue: The name is empty, too long, only digits (reserved for project ids), path-like, or has
            invisible characters.
    """

    value: str

    def __post_init__(self) -> None:
        name = normalized_name(self.value)
        if not 1 <= len(name) <= PROJECT_NAME_MAX_CHARS:
            raise InvalidValue(
                "project", text("problems.project_name_length", maximum=PROJECT_NAME_MAX_CHARS)
            )
        if not name.isprintable() or not _INVISIBLE.isdisjoint(name) or _has_marks_only(name):
            raise InvalidValue("project", text("problems.project_name_characters"))
        if name in {".", ".."} or "/" in name or "\\" in name:
            raise InvalidValue("project", text("problems.project_name_path"))
        if name.isdecimal():
            raise InvalidValue("project", text("problems.project_name_digits"))
        if len(name.encode()) > OBJECT_KEY_MAX_BYTES - _CODE_KEY_OVERHEAD_BYTES:
            raise InvalidValue("project", text("problems.project_name_encoded"))
        object.__setattr__(self, "value", name)

    def __str__(self) -> str:
        return self.value


def normalized_name(text: str) -> str:
    """Return a text trimmed and in NFC; a text that is too long for a name is not normalized."""
    name = text.replace(_EMOJI_PRESENTATION, "").strip()
    return unicodedata.normalize("NFC", name) if len(name) <= _LONGEST_UNNORMALIZED else name


def _has_marks_only(name: str) -> bool:
    return all(unicodedata.category(character).startswith("M") for character in name)


def parse_project_reference(text: str) -> ProjectId | ProjectName:
    """Parse a caller's reference to a project: its numeric id as text, or its name.

    Raises:
        InvalidValue: The text is neither.
    """
    digits = text.strip()
    if digits.isascii() and digits.isdecimal():
        # 18 digits fit a signed 64-bit integer of every database, and no project has an id that long.
        return ProjectId(int(digits.lstrip("0")[:18] or 0))
    return ProjectName(text)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The key of an object: relative, and inside its bucket or directory wherever it is resolved.

    Raises:
        InvalidValue: The key is empty, too long, unprintable or absolute, or has an empty or dotted segment.
    """

    value: str

    def __post_init__(self) -> None:
        if not self.value.isprintable():
            raise InvalidValue("key", text("problems.object_key_characters"))
        if len(self.value.encode()) > OBJECT_KEY_MAX_BYTES:
            raise InvalidValue("key", text("problems.object_key_length", maximum=OBJECT_KEY_MAX_BYTES))
        if "\\" in self.value or not _NO_SEGMENTS.isdisjoint(self.value.split("/")):
            raise InvalidValue("key", text("problems.object_key_segments"))

    def __str__(self) -> str:
        return self.value


def parse_object_key(given: str) -> ObjectKey | None:
    """Parse the name of an object, possibly of other software; return None if it is not a valid key."""
    try:
        return ObjectKey(given)
    except InvalidValue:
        return None


def parse_job_id(text: str) -> JobId:
    """Parse a job id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return JobId(parse_uuid("jobId", text))


def parse_job_id_prefix(given: str) -> str:
    """Parse the prefix of a job id; return its digits without hyphens.

    Raises:
        InvalidValue: The text is not a prefix of an id.
    """
    digits = given.lower().replace("-", "")
    if 0 < len(digits) <= _UUID_DIGITS and _HEX_DIGITS.issuperset(digits):
        whole = str(UUID(digits.ljust(_UUID_DIGITS, "0")))
        if given.lower() == digits or whole.startswith(given.lower()):
            return digits
    raise InvalidValue("id", text("problems.id_prefix"))


def parse_job_reference(given: str) -> JobId | str:
    """Parse a job id, or a prefix of one, of which the digits are returned.

    Raises:
        InvalidValue: The text is neither, or is too short for a prefix.
    """
    try:
        return parse_job_id(given)
    except InvalidValue as error:
        if len(digits := parse_job_id_prefix(given)) < JOB_REFERENCE_MIN_DIGITS:
            raise InvalidValue(error.field, error.detail) from None
        return digits


def job_ids_from(prefix: str) -> tuple[JobId, JobId]:
    """Return the first and the last possible id with a prefix."""
    first, last = (JobId(UUID(prefix.ljust(_UUID_DIGITS, digit))) for digit in "0f")
    return first, last


def parse_execution_id(text: str) -> ExecutionId:
    """Parse an execution id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return ExecutionId(parse_uuid("executionId", text))


def parse_batch_id(text: str) -> BatchId:
    """Parse a batch id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return BatchId(parse_uuid("batchId", text))


def parse_uuid(field: str, given: str) -> UUID:
    """Parse an id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    try:
        parsed = UUID(given)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != given.lower():
        raise InvalidValue(field, text("problems.id"))
    return parsed
