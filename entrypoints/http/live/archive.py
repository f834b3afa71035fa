import asyncio
from collections.abc import AsyncIterator, Callable

from application.errors import ApplicationError
from application.ports.output_feed import OutputChunk, Stream
from application.use_cases.read_output import ReadOutput
from domain.values import JobId
from entrypoints.http.live.places import LogPlaces, NoPlace

_PIECE_BYTES = 64 << 10
# A reader has a whole output in memory until it has taken it: so many may at once, others do without.
_AT_ONCE = 8
_PATIENCE_S = 5.0


class Archive:
    """Brings readers who have a part of an output the rest of it, from the log."""

    def __init__(self, read_output: Callable[[], ReadOutput], log_places: LogPlaces) -> None:
        self._read_output = read_output
        self._log_places = log_places
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def rest(self, job_id: JobId, stream: Stream, begin: int) -> AsyncIterator[OutputChunk]:
        """Yield what a program wrote from an offset on; nothing, where the log is out of reach."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._places.acquire()
        except TimeoutError:
            return
        try:
            archived = await self._log_places.read(lambda: self._read_output()(job_id, stream))
            data = archived.data
            for offset in range(begin, len(data), _PIECE_BYTES):
                yield OutputChunk(stream, offset, data[offset : offset + _PIECE_BYTES])
        except (ApplicationError, NoPlace):
            return
        finally:
            self._places.release()
