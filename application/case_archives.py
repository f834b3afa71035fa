"""Extraction of cases from an archive of inputs and answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from application.archives import unpack
from application.file_spool import FileSpool
from application.submitted_cases import NewCase
from domain.case_files import find_cases
from domain.files import FileLimits
from domain.submission_limits import SubmissionLimits

# The number of files allowed beside inputs and answers, such as notes, pictures and generators.
_OTHER_FILES = 1_000
_PATH_BYTES = 128


def read_cases(
    archive: IO[bytes], size: int, limits: FileLimits, bounds: SubmissionLimits
) -> Sequence[NewCase]:
    """Return the cases in an archive, in the natural order of their names.

    Args:
        archive: The archive, at its start.
        size: Its size in bytes.
        limits: The limits on files of an upload.
        bounds: The limits on cases.

    Raises:
        InvalidValue: It is not an archive, is damaged, or has unsafe paths or no cases.
        TooLarge: Its contents exceed a limit.
    """
    files = 2 * bounds.cases + _OTHER_FILES
    wider = replace(
        limits,
        files=files,
        file_bytes=bounds.cases_bytes,
        total_bytes=bounds.cases_bytes,
        paths_bytes=files * _PATH_BYTES,
    )
    # The spool is closed when its last content is garbage collected.
    contents = {file.path: file.blob for file in unpack(archive, size, wider, FileSpool())}
    return [
        NewCase(
            name=case.name,
            stdin=contents[case.stdin],
            expected=None if case.expected is None else contents[case.expected],
            hidden=case.hidden,
        )
        for case in find_cases(contents)
    ]
