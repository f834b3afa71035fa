from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line ends with where it is not a program's own exit code.

    FAILED is for what was understood and is refused or did not succeed, USAGE for what breaks a rule as it
    was typed, and SERVICE for what the service, or the way to it, could not do.

    TIMEOUT is what timeout(1) of GNU coreutils uses; from SIGNAL on it is 128 plus the signal's number, as in
    POSIX shells (POSIX.1-2017, Shell Command Language, 2.8.2).
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    SERVICE = 3
    TIMEOUT = 124
    SIGNAL = 128
    INTERRUPTED = 130


class Failure(Exception):
    """The command cannot go on; the message is a sentence for whoever typed it."""

    def __init__(self, message: str, exit_code: int = ExitCode.SERVICE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
