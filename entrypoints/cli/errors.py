"""The exit codes of the command line, and the failure of a command."""

import errno
import os
from collections.abc import Mapping
from enum import IntEnum

from domain.catalogue.language import language_of_environment
from domain.catalogue.text import Text, said_by, text

OS_FAULTS: Mapping[int, str] = {
    errno.ENOENT: "no_file",
    errno.EACCES: "denied",
    errno.EISDIR: "is_directory",
    errno.ENOTDIR: "no_directory",
    errno.ENOSPC: "full",
    errno.EROFS: "read_only",
    errno.ECONNREFUSED: "refused",
    errno.EADDRINUSE: "address_in_use",
    errno.EADDRNOTAVAIL: "no_address",
    errno.ETIMEDOUT: "timed_out",
}


class ExitCode(IntEnum):
    """The exit codes of the command line, unless it exits with the program's own code.

    FAILED is for a valid command that is refused or does not succeed, USAGE for an invalid command, and
    SERVICE for a failure of the service or of the connection to it.

    TIMEOUT is the exit code of timeout(1) of GNU coreutils. The code for a signal is 128 plus its number, as
    in POSIX shells (POSIX.1-2017, Shell Command Language, 2.8.2).
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    SERVICE = 3
    TIMEOUT = 124
    SIGNAL = 128
    INTERRUPTED = 130


class Failure(Exception):
    """The command failed; the message is a sentence for its user."""

    def __init__(self, message: Text | str, exit_code: int = ExitCode.SERVICE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Refusal(Failure):
    """The service refused a request.

    Attributes:
        code: The code of the message in the catalogue.
        values: The values in the message.
    """

    def __init__(
        self, message: Text | str, exit_code: int, code: object, values: Mapping[str, object]
    ) -> None:
        super().__init__(message, exit_code)
        self.code = code
        self.values = values


def in_language(said: object) -> str:
    """Return a text in the language of the terminal, and anything else unchanged."""
    return said.into(language_of_environment(os.environ)) if isinstance(said, Text) else str(said)


def sentence_of(error: Exception) -> str:
    """Return the message of an error, in the language of the terminal if it is in the catalogue."""
    return in_language(said_by(error))


def fault_of(error: OSError) -> Text | str:
    """Return the cause of a system error."""
    known = OS_FAULTS.get(error.errno or 0)
    return (error.strerror or str(error)).lower() if known is None else text(f"cli.os_{known}")
