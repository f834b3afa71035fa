"""The failures of engines to give an outcome, by whether the program may have had effects.

EngineError
├── NothingStarted    the program was not started: the engine may be asked again
├── MayHaveStarted    it may have run: asking again may run it a second time
├── EngineRefused     the engine does not want the request: asking again is of no use
└── NotRecorded       the start could not be recorded, so the request was not sent
"""

from domain.job_lifecycle import Reason


class EngineError(Exception):
    """The engine gave no outcome. The message is for the job's owner, a sentence without its full stop."""

    reason = Reason.ENGINE_ERROR


class NothingStarted(EngineError):
    """The program was not started."""

    reason = Reason.ENGINE_UNAVAILABLE


class MayHaveStarted(EngineError):
    """The program may have run."""


class EngineRefused(EngineError):
    """The engine does not want the request."""


class NotRecorded(EngineError):
    """The start of the program could not be recorded, so it was not sent."""

    reason = Reason.INTERNAL
