"""The program of an upload: its code, and the files beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from application.commands import UploadCodeCommand
from application.new_files import BlobContent, NewBlob, NewFile
from application.submitted_files import check_files
from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import JobFile, count_directories, disk_bytes, find_entry, shown
from domain.language import Language
from domain.submission import JobSpec
from domain.submission_limits import SubmissionLimits


@dataclass(frozen=True, slots=True)
class SubmittedProgram:
    """A program as it is stored: the same whether its files were sent individually or as an archive.

    Attributes:
        code: The file that is run.
        entry: Its path; None for a program of one file.
        files: The other files, sorted by path.
        stdin: Its input, if that is stored as a blob.
        contents: The contents of files and input, as far as the caller sent them.
    """

    code: bytes
    entry: str | None
    files: tuple[JobFile, ...]
    stdin: BlobRef | None
    contents: Mapping[BlobRef, BlobContent]

    @classmethod
    def of(cls, command: UploadCodeCommand, language: Language, limits: SubmissionLimits) -> Self:
        """Assemble the program of an upload.

        Raises:
            InvalidValue: A path breaks its rule or collides with another, or there is no file to run.
            TooLarge: A file or the input is too large.
        """
        files = check_files(command.files, limits.files)
        entry = None
        if files or command.entry is not None or command.code is None:
            if command.code is None and not files:
                raise InvalidValue("code", text("problems.required"))
            entry = find_entry(language, command.entry, files, has_code=command.code is not None)
        code = command.code
        if code is None:
            code = _text(entry or "", files.pop(entry or "").blob, limits)
        elif entry is not None:
            check_files([*files.values(), NewFile(entry, NewBlob.of(b""))], limits.files)
        encoded = limits.check_code(code)
        if command.stdin_file is not None:
            _check_stdin_file(command.stdin_file, files, limits)
        blobs = [file.blob for file in files.values()]
        if command.stdin_blob is not None:
            if command.stdin or command.stdin_file is not None:
                raise InvalidValue("stdin_base64", text("problems.instead_of_stdin_and_file"))
            limits.check_stdin_file(command.stdin_blob.ref.size)
            blobs.append(command.stdin_blob)
        return cls(
            code=encoded,
            entry=entry,
            files=tuple(JobFile(path, files[path].blob.ref) for path in sorted(files)),
            stdin=None if command.stdin_blob is None else command.stdin_blob.ref,
            contents={blob.ref: blob.content for blob in blobs if blob.content is not None},
        )


def check_disk(spec: JobSpec) -> None:
    """Check that a program's files fit its own limits.

    Raises:
        InvalidValue: The files exceed the job's limit `files` or `disk_mb`.
    """
    if not spec.files:
        return
    paths = [file.path for file in spec.files]
    paths += [] if spec.entry is None else [spec.entry]
    taken = disk_bytes([spec.code_bytes, *(file.blob.size for file in spec.files)])
    if taken > spec.limits.disk_mb << 20:
        raise InvalidValue(
            "disk_mb", text("problems.disk_too_small", limit=spec.limits.disk_mb, taken=-(-taken >> 20))
        )
    if len(paths) + count_directories(paths) > spec.limits.files:
        raise InvalidValue("max_files", text("problems.files_too_few", limit=spec.limits.files))


def _text(entry: str, blob: NewBlob, limits: SubmissionLimits) -> str:
    if blob.ref.size > limits.code_bytes:
        raise TooLarge(
            "entry",
            text(
                "problems.entry_too_large", entry=shown(entry), size=blob.ref.size, allowed=limits.code_bytes
            ),
        )
    try:
        return blob.read().decode()
    except UnicodeDecodeError:
        raise InvalidValue("entry", text("problems.entry_not_text", entry=shown(entry))) from None


def _check_stdin_file(path: str, files: Mapping[str, NewFile], limits: SubmissionLimits) -> None:
    if path not in files:
        raise InvalidValue("stdin_file", text("problems.stdin_file_missing", path=shown(path)))
    limits.check_stdin_file(files[path].blob.ref.size)
