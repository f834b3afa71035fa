"""Files that commands read."""

from pathlib import Path

from entrypoints.cli.errors import ExitCode, Failure


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        Failure: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error) from error


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        Failure: It cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8: byte {error.start} cannot be decoded", ExitCode.USAGE) from error


def unreadable(name: str, error: OSError) -> Failure:
    """Return the failure of a file that cannot be read."""
    return Failure(f"{name}: {(error.strerror or 'cannot be read').lower()}", ExitCode.USAGE)
