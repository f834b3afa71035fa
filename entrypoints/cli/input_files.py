"""Files that commands read."""

from pathlib import Path

from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure, fault_of


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        Failure: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error) from error


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        Failure: The file cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise Failure(text("cli.not_utf8", file=path, place=error.start), ExitCode.USAGE) from error


def unreadable(name: str, error: OSError) -> Failure:
    """Return the failure of a file that cannot be read."""
    return Failure(text("cli.about", subject=name, detail=fault_of(error)), ExitCode.USAGE)
