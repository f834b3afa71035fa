"""Artifacts: files that a program wrote and its caller requested by path patterns.

`*` matches any characters of a name, `?` matches one, and `**` as a whole segment matches any directories or,
at the end, everything below. A path is matched against all patterns in one pass, in time linear in the path.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import shown

MAX_PATTERNS = 32
PATTERN_MAX_CHARS = 256
DEFAULT_MEDIA_TYPE = "application/octet-stream"
# By file extension, in lower case. Types that a browser could render as a page of this service are served as
# text.
MEDIA_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "avif": "image/avif",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "log": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "htm": "text/html",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "gz": "application/gzip",
    "tar": "application/x-tar",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
# The image types that a page shows; none of them can contain markup.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactLimits:
    """How much of a program's files is kept.

    Attributes:
        files: The maximum number of artifacts of an execution.
        file_bytes: The maximum size of an artifact.
        total_bytes: The maximum size of all artifacts.
    """

    files: int = 100
    file_bytes: int = 16 << 20
    total_bytes: int = 64 << 20


def media_type(path: str) -> str:
    """Return the media type of a file by its extension."""
    _name, dot, ending = path.rpartition("/")[2].rpartition(".")
    return MEDIA_TYPES.get(ending.lower(), DEFAULT_MEDIA_TYPE) if dot else DEFAULT_MEDIA_TYPE


def check_patterns(patterns: Sequence[str]) -> None:
    """Validate patterns of artifacts.

    Raises:
        InvalidValue: There are too many, or one is not a valid relative pattern.
    """
    if len(patterns) > MAX_PATTERNS:
        raise InvalidValue("artifacts", text("problems.patterns", maximum=MAX_PATTERNS))
    for pattern in patterns:
        if not 1 <= len(pattern) <= PATTERN_MAX_CHARS:
            raise InvalidValue("artifacts", text("problems.pattern_length", maximum=PATTERN_MAX_CHARS))
        if not pattern.isprintable() or "\\" in pattern:
            raise InvalidValue("artifacts", text("problems.pattern_characters", pattern=shown(pattern)))
        if any(segment in {"", ".", ".."} for segment in pattern.split("/")):
            raise InvalidValue("artifacts", text("problems.pattern_relative", pattern=shown(pattern)))


class PathMatcher:
    """Matches paths against patterns incrementally; a state represents the prefix of a path.

    Each bit of a state is a position in one of the patterns that the prefix may have reached.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._literals: dict[str, int] = {}
        self._any = self._stays_in_name = self._stays = self._ends_directory = 0
        self._skipped = self._skipped_with_next = 0
        self._start = self._accepting = 0
        place = 0
        for pattern in patterns:
            self._start |= 1 << place
            place = self._add(pattern, place)
            self._accepting |= 1 << place
            place += 1
        self._start = self._closed(self._start)

    @property
    def start(self) -> int:
        """The state of the empty path."""
        return self._start

    def feed(self, state: int, text: str) -> int:
        """Return the state after more of a path; 0 if no continuation can match."""
        for character in text:
            if not state:
                return 0
            if character == "/":
                moved = state & (self._literals.get("/", 0))
                after = (moved << 1) | (state & self._stays) | ((state & self._ends_directory) << 1)
            else:
                moved = state & (self._literals.get(character, 0) | self._any)
                after = (moved << 1) | (state & (self._stays | self._stays_in_name))
            state = self._closed(after)
        return state

    def accepts(self, state: int) -> bool:
        """Whether the state belongs to a path that matches."""
        return bool(state & self._accepting)

    def _add(self, pattern: str, place: int) -> int:
        """Add the positions of a pattern; return the position after it."""
        segments = pattern.split("/")
        for index, segment in enumerate(segments):
            is_last = index == len(segments) - 1
            if segment == "**" and not is_last:
                # Skipped, or entered with the first character of a name and left with a slash.
                self._skipped_with_next |= 1 << place
                self._any |= 1 << place
                self._stays |= 1 << (place + 1)
                self._ends_directory |= 1 << (place + 1)
                place += 2
                continue
            if segment == "**":
                self._any |= 1 << place
                self._stays |= 1 << (place + 1)
                self._skipped |= 1 << (place + 1)
                place += 2
                continue
            place = self._add_name(segment, place)
            if not is_last:
                self._literals["/"] = self._literals.get("/", 0) | 1 << place
                place += 1
        return place

    def _add_name(self, segment: str, place: int) -> int:
        was_star = False
        for character in segment:
            if character == "*":
                if not was_star:
                    self._stays_in_name |= 1 << place
                    self._skipped |= 1 << place
                    place += 1
                was_star = True
                continue
            was_star = False
            if character == "?":
                self._any |= 1 << place
            else:
                self._literals[character] = self._literals.get(character, 0) | 1 << place
            place += 1
        return place

    def _closed(self, state: int) -> int:
        """Add the positions that are reached without a character."""
        while True:
            more = state | ((state & self._skipped) << 1) | ((state & self._skipped_with_next) << 2)
            if more == state:
                return state
            state = more
