"""Errors of engines that gave no outcome, by whether the program may have run.

EngineError
├── NothingStarted    the program was not started: a retry is safe
│   └── NoRoom        the engine has no capacity for it
├── MayHaveStarted    the program may have run: a retry may run it a second time
├── EngineRefused     the engine rejected the request: a retry is of no use
└── NotRecorded       the start could not be recorded, so the request was not sent
"""

from domain.job_lifecycle import Reason


class EngineError(Exception):
    """The engine gave no outcome. The message, a sentence without a full stop, is for the job's owner."""

    reason = Reason.ENGINE_ERROR


class NothingStarted(EngineError):
    """The program was not started."""

    reason = Reason.ENGINE_UNAVAILABLE


class NoRoom(NothingStarted):
    """The engine answered that it has no capacity for the program."""


class MayHaveStarted(EngineError):
    """The program may have run."""


class EngineRefused(EngineError):
    """The engine rejected the request."""


class NotRecorded(EngineError):
    """The start of the program could not be recorded, so the request was not sent."""

    reason = Reason.INTERNAL
