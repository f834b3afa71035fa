"""Names and keys that cannot be built invalid."""

import unicodedata
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from domain.catalogue.text import text
from domain.errors import InvalidValue

# An id begins with its time in milliseconds (RFC 9562, 5.7): jobs of one minute have these digits in common.
JOB_REFERENCE_MIN_DIGITS = 8
_UUID_DIGITS, _HEX_DIGITS = 32, frozenset("0123456789abcdef")
JobId = NewType("JobId", UUID)
ExecutionId = NewType("ExecutionId", UUID)
MessageId = NewType("MessageId", UUID)
ProjectId = NewType("ProjectId", int)
BatchId = NewType("BatchId", UUID)

PROJECT_NAME_MAX_CHARS = 255
# NFC makes one character of four at most, and takes a time that grows with the square of the marks in a row.
_LONGEST_UNNORMALIZED = 4 * PROJECT_NAME_MAX_CHARS
# An S3 key holds at most 1,024 bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
OBJECT_KEY_MAX_BYTES = 1024
_NO_SEGMENTS = frozenset({"", ".", ".."})
# An emoji's wish to be shown in colour, which keyboards add. It is no character of its own.
_EMOJI_PRESENTATION = "\N{VARIATION SELECTOR-16}"
# What counts as printable and shows nothing: Default_Ignorable_Code_Point (Unicode Character Database,
# DerivedCoreProperties.txt) as far as it is not refused as unprintable, and two symbols that are blank.
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
# What a code key adds to the project's name: a slash, a UUID and an extension.
_CODE_KEY_OVERHEAD_BYTES = 1 + 36 + 16


@dataclass(frozen=True, slots=True)
class ProjectName:
    """A project's name: trimmed, in Unicode's NFC form, and safe as one segment of an object key.

    An emoji is the same with and without its presentation selector (U+FE0F), which is left out. One that is
    joined of several with U+200D is refused, as that is invisible too.

    Raises:
        InvalidValue: The name is empty, too long, all digits (those are project ids), path-like, or has
            characters that do not show.
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
    """Return a text trimmed and in NFC; one that is too long for a name all the same is left as it is."""
    name = text.replace(_EMOJI_PRESENTATION, "").strip()
    return unicodedata.normalize("NFC", name) if len(name) <= _LONGEST_UNNORMALIZED else name


def _has_marks_only(name: str) -> bool:
    return all(unicodedata.category(character).startswith("M") for character in name)


def parse_project_reference(text: str) -> ProjectId | ProjectName:
    """Reads a caller's reference to a project: its numeric id written as text, or its name.

    Raises:
        InvalidValue: The text is neither.
    """
    digits = text.strip()
    if digits.isascii() and digits.isdecimal():
        # 18 digits fit the 64 bits of every database's integers, and no project has an id that long.
        return ProjectId(int(digits.lstrip("0")[:18] or 0))
    return ProjectName(text)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The key of an object: relative, and inside its bucket or directory wherever it is resolved.

    Raises:
        InvalidValue: The key is empty, too long, unprintable, absolute, or has an empty or dotted segment.
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
    """Read the name of an object that may be another software's; None if it cannot be a key."""
    try:
        return ObjectKey(given)
    except InvalidValue:
        return None


def parse_job_id(text: str) -> JobId:
    """Read a job id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return JobId(parse_uuid("jobId", text))


def parse_job_id_prefix(given: str) -> str:
    """Read the beginning of a job's id, and return its digits without hyphens.

    Raises:
        InvalidValue: The text is not the beginning of an id.
    """
    digits = given.lower().replace("-", "")
    if 0 < len(digits) <= _UUID_DIGITS and _HEX_DIGITS.issuperset(digits):
        whole = str(UUID(digits.ljust(_UUID_DIGITS, "0")))
        if given.lower() == digits or whole.startswith(given.lower()):
            return digits
    raise InvalidValue("id", text("problems.id_prefix"))


def parse_job_reference(given: str) -> JobId | str:
    """Read a job's id, or the digits of the beginning of one.

    Raises:
        InvalidValue: The text is neither, or is too short for the beginning of an id.
    """
    try:
        return parse_job_id(given)
    except InvalidValue as error:
        if len(digits := parse_job_id_prefix(given)) < JOB_REFERENCE_MIN_DIGITS:
            raise InvalidValue(error.field, error.detail) from None
        return digits


def job_ids_from(prefix: str) -> tuple[JobId, JobId]:
    """Return the first and the last id that begin with these digits."""
    first, last = (JobId(UUID(prefix.ljust(_UUID_DIGITS, digit))) for digit in "0f")
    return first, last


def parse_execution_id(text: str) -> ExecutionId:
    """Read an execution id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return ExecutionId(parse_uuid("executionId", text))


def parse_batch_id(text: str) -> BatchId:
    """Read a batch's id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return BatchId(parse_uuid("batchId", text))


def parse_uuid(field: str, given: str) -> UUID:
    """Read an id in the canonical form of RFC 9562.

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
