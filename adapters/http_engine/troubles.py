"""What keeps an engine from giving an outcome, told apart by whether the program may have had effects.

EngineTrouble
├── NothingStarted    the program was not started: the engine may be asked again
├── MayHaveStarted    it may have run: asking again may run it a second time
├── EngineRefused     the engine does not want the request: asking again is of no use
└── NotRecorded       the start could not be recorded, so the request was not sent
"""

from domain.job_lifecycle import Reason


class EngineTrouble(Exception):
    """The engine gave no outcome. The message is a sentence for the job's owner."""

    reason = Reason.ENGINE_ERROR


class NothingStarted(EngineTrouble):
    """The program was not started."""

    reason = Reason.ENGINE_UNAVAILABLE


class MayHaveStarted(EngineTrouble):
    """The program may have run."""


class EngineRefused(EngineTrouble):
    """The engine does not want the request."""


class NotRecorded(EngineTrouble):
    """The start of the program could not be recorded, so it was not sent."""

    reason = Reason.INTERNAL
