import sys
from types import TracebackType
from typing import Self


class Progress:
    """A line on stderr that says what is going on, while there is nothing else to see. Terminals only."""

    def __init__(self, message: str) -> None:
        self._status = None
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only terminals need it

            self._status = Console(stderr=True).status(message)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
