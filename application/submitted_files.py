"""Validation of the files of an upload."""

from collections.abc import Sequence

from application.new_files import NewFile
from domain.files import FileLimits, FilePath, FileTree


def check_files(files: Sequence[NewFile], limits: FileLimits) -> dict[str, NewFile]:
    """Return files by path.

    Raises:
        InvalidValue: There are too many files, or a path breaks its rule or collides with another.
        TooLarge: A file or the total is too large.
    """
    tree = FileTree(limits)
    for file in files:
        path = FilePath(file.path)
        tree.add(path)
        tree.add_bytes(path, file.blob.ref.size)
    return {file.path: file for file in files}
