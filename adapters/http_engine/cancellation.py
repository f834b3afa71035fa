"""The replies of runners to the request to stop a program, and the notes that they are worth."""

from enum import Enum

from domain.execution import Note

# Of a server that knows no such address, or no such method.
_UNKNOWN_TO_IT = frozenset({404, 405, 501})


class CancelReply(Enum):
    """A runner's reply to the request to stop a program, as a sentence."""

    NOT_SENT = "The program had not been sent to its runner."
    NOT_ASKED = "The service no longer waits for the runner, which was not asked to stop the program."
    ACCEPTED = "The runner accepted the request to stop the program."
    NOT_SUPPORTED = "The runner cannot stop programs: this one runs on to its end."
    REFUSED = "The runner refused the request to stop the program, which may run on."
    NO_ANSWER = "The runner did not answer the request to stop the program, which may run on."

    @classmethod
    def of_status(cls, status: int) -> "CancelReply":
        """Read the status of a runner's answer."""
        if status in _UNKNOWN_TO_IT:
            return cls.NOT_SUPPORTED
        return cls.ACCEPTED if status // 100 == 2 else cls.REFUSED  # noqa: PLR2004 - RFC 9110, 15: the class

    @property
    def notes(self) -> tuple[Note, ...]:
        """Return the remarks that the reply is worth."""
        if self is CancelReply.NOT_SUPPORTED:
            return (Note.CANCEL_NOT_SUPPORTED,)
        return () if self in {CancelReply.NOT_SENT, CancelReply.ACCEPTED} else (Note.MAY_RUN_ON,)
