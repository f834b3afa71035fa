"""The files of a job: the rules for their paths and for the file tree."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.language import Language

PATH_MAX_BYTES = 512
_NAME_MAX_BYTES = 255
# The page size of an in-memory file system, which is the minimum size of a file on it.
_BLOCK_BYTES = 4_096
# Names that the sandbox uses in the program's directory: files of a case, interpreter hooks, build output.
_RESERVED = frozenset({".case", ".hold", "program"})
# The file that is run if a directory is given as the entry.
_MAIN_OF_DIRECTORY: Mapping[str, str] = {"python": "__main__.py", "node": "index.js"}


@dataclass(frozen=True, slots=True)
class FilePath:
    """The path of a file in the program's directory: relative, and inside the directory on any system.

    Raises:
        InvalidValue: It is empty, absolute or too long; has an empty or dotted segment, a backslash or an
            unprintable character; or begins with a name that the sandbox uses itself.
    """

    value: str

    def __post_init__(self) -> None:
        if (fault := _fault_of_path(self.value)) is not None:
            raise InvalidValue("files", text("problems.file_fault", path=shown(self.value), fault=fault))

    def __str__(self) -> str:
        return self.value

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of its parent directories, and its own name."""
        return tuple(self.value.split("/"))

    @property
    def directory(self) -> str:
        """The path of its parent directory; empty for the program's directory."""
        return self.value.rpartition("/")[0]


def path_in(field: str, path: str) -> str:
    """Return the path of a file that a field of a submission names.

    Raises:
        InvalidValue: It breaks a rule for paths; the error names the field.
    """
    try:
        return FilePath(path).value
    except InvalidValue as error:
        raise InvalidValue(field, error.detail) from None


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job: its path, and a reference to its content."""

    path: str
    blob: BlobRef


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """The maximum number and sizes of an upload's files, in bytes.

    Attributes:
        files: The number of files of a job.
        file_bytes: The size of a file.
        total_bytes: The size of all files.
        depth: The number of segments of a path.
        paths_bytes: The length of all paths.
        archive_ratio: How many times its own size an archive may unpack to; a small archive may unpack to a
            MiB.
    """

    files: int = 1_000
    file_bytes: int = 64 << 20
    total_bytes: int = 64 << 20
    depth: int = 16
    paths_bytes: int = 64 << 10
    archive_ratio: int = 200


class FileTree:
    """The files of an upload while they are collected, checked for limits and collisions.

    Two paths collide if a file system that ignores case or Unicode normalization would treat them as equal,
    or if one is a directory of the other. The time is linear in the paths.
    """

    def __init__(self, limits: FileLimits) -> None:
        self._limits = limits
        # The given paths of files and directories, by the form in which a file system may compare them.
        self._taken: dict[str, str] = {}
        self._files: set[str] = set()
        self._path_bytes = 0
        self.total_bytes = 0

    def add(self, path: FilePath) -> None:
        """Add a file, whose size is not known yet.

        Raises:
            InvalidValue: There are too many files, or it collides with another.
        """
        if len(self._files) >= self._limits.files:
            raise InvalidValue("files", text("problems.files_count", maximum=self._limits.files))
        if len(path.segments) > self._limits.depth:
            raise InvalidValue(
                "files", text("problems.path_depth", path=shown(path.value), maximum=self._limits.depth)
            )
        self._path_bytes += len(path.value.encode())
        if self._path_bytes > self._limits.paths_bytes:
            raise InvalidValue("files", text("problems.paths_size", maximum=self._limits.paths_bytes))
        self._take(path)

    def check_size(self, path: FilePath, size: int) -> None:
        """Check the size of a file that is being read.

        Raises:
            TooLarge: The file or the total is too large.
        """
        limits = self._limits
        if size > limits.file_bytes:
            raise TooLarge(
                "files", text("problems.file_size", path=shown(path.value), maximum=limits.file_bytes)
            )
        if self.total_bytes + size > limits.total_bytes:
            raise TooLarge("files", text("problems.files_size", maximum=limits.total_bytes))

    def add_bytes(self, path: FilePath, size: int) -> None:
        """Add the size of a file to the total.

        Raises:
            TooLarge: The file or the total is too large.
        """
        self.check_size(path, size)
        self.total_bytes += size

    def _take(self, path: FilePath) -> None:
        place = ""
        *directories, _name = path.segments
        for segment in directories:
            place = f"{place}/{segment}" if place else segment
            form = comparable(place)
            if self._taken.setdefault(form, place) != place or place in self._files:
                raise _collision(path.value, self._taken[form])
        if path.value in self._files:
            raise InvalidValue("files", text("problems.file_twice", path=shown(path.value)))
        form = comparable(path.value)
        if form in self._taken:
            raise _collision(path.value, self._taken[form])
        self._taken[form] = path.value
        self._files.add(path.value)


def comparable(path: str) -> str:
    """Return the form in which a file system that ignores case and normalization compares a path."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def find_entry(language: Language, entry: str | None, paths: Collection[str], *, has_code: bool) -> str:
    """Return the path of the file that is run.

    Args:
        language: The language of the program.
        entry: The path given by the caller: a file, or a directory with a main file.
        paths: The paths of the files beside the code.
        has_code: Whether the code is given separately; then it is the file that is run.

    Raises:
        InvalidValue: There is no such file, or there are two.
    """
    wanted = f"Main{language.extension}" if language.name == "java" else f"main{language.extension}"
    if has_code:
        path = wanted if entry is None else path_in("entry", entry)
        if path in paths:
            raise InvalidValue("entry", text("problems.entry_is_code", path=shown(path)))
        return path
    if entry is None:
        if wanted not in paths:
            raise InvalidValue("entry", text("problems.entry_required", wanted=wanted))
        return wanted
    path = path_in("entry", entry.rstrip("/") or entry)
    if path in paths:
        return path
    main = f"{path}/{_MAIN_OF_DIRECTORY.get(language.name, wanted)}"
    if main in paths:
        return main
    raise InvalidValue("entry", text("problems.entry_missing", path=shown(path), main=shown(main)))


def disk_bytes(sizes: Iterable[int]) -> int:
    """Return the space that files of these sizes take in an in-memory file system."""
    return sum(-(-size // _BLOCK_BYTES) * _BLOCK_BYTES for size in sizes)


def count_directories(paths: Iterable[str]) -> int:
    """Return the number of directories that contain the files, except for the program's directory."""
    found: set[str] = set()
    for path in paths:
        directory = path.rpartition("/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return len(found)


def shown(path: str) -> str:
    """Return a path for an error message: quoted, printable and truncated."""
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in path[:120])
    return f"'{text}{'…' if len(path) > len(text) else ''}'"


def _fault_of_path(path: str) -> str | None:
    """Return the rule that a path breaks, or None."""
    if not path or path.startswith("/"):
        return "a path is relative, and not empty"
    if not path.isprintable() or "\\" in path:
        return "a path has printable characters only, and no '\\'"
    if len(path.encode()) > PATH_MAX_BYTES:
        return f"a path has at most {PATH_MAX_BYTES} bytes of UTF-8"
    return _fault_of_segments(path.split("/"))


def _fault_of_segments(segments: Sequence[str]) -> str | None:
    if any(segment in {"", ".", ".."} for segment in segments):
        return "a path has no empty, '.' or '..' segment"
    if any(len(segment.encode()) > _NAME_MAX_BYTES for segment in segments):
        return f"a name has at most {_NAME_MAX_BYTES} bytes of UTF-8"
    if is_reserved(segments[0]):
        return f"the name '{segments[0]}' is the service's own"
    return None


def is_reserved(name: str) -> bool:
    """Whether the sandbox uses a name in the program's directory itself."""
    return comparable(name) in _RESERVED


def _collision(path: str, other: str) -> InvalidValue:
    return InvalidValue("files", text("problems.files_collide", path=shown(path), other=shown(other)))
