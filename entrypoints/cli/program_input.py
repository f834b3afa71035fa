"""The standard input and the source text of a program."""

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from entrypoints.cli.errors import ExitCode, Failure


def program_input(option: str | None) -> str:
    """Return the stdin of a program.

    Args:
        option: A text, `-` for the command's own stdin, `@` and a file's name, or None for the command's own
            stdin if that is a pipe or a file, and nothing if it is a terminal or a device such as /dev/null.

    Raises:
        Failure: The file cannot be read, or the input is not UTF-8.
    """
    if option is None:
        return _decoded(sys.stdin.buffer, "stdin") if _is_given() else ""
    if option == "-":
        return _decoded(sys.stdin.buffer, "stdin")
    if option.startswith("@"):
        with open_input(Path(option[1:])) as file:
            return _decoded(file, option[1:])
    return option


def open_input(path: Path) -> BinaryIO:
    """Open a file to be read.

    Raises:
        Failure: That cannot be done.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise Failure(f"{path}: {(error.strerror or 'cannot be read').lower()}", ExitCode.USAGE) from error


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        Failure: It cannot be read, or is not UTF-8.
    """
    with open_input(path) as file:
        return _decoded(file, str(path))


def _is_given() -> bool:
    if sys.stdin is None:  # closed by the parent process
        return False
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _decoded(file: BinaryIO, name: str) -> str:
    try:
        return file.read().decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name} is not UTF-8: byte {error.start} cannot be decoded", ExitCode.USAGE) from error
    except OSError as error:
        raise Failure(f"{name}: {(error.strerror or 'cannot be read').lower()}", ExitCode.USAGE) from error
