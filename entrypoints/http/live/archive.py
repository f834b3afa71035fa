from collections.abc import AsyncIterator, Callable

from application.errors import ApplicationError
from application.ports.output_feed import OutputChunk, Stream
from application.use_cases.read_output import ReadOutput
from domain.values import JobId
from entrypoints.http.kept import Kept
from entrypoints.http.live.places import StoragePlaces


class Archive:
    """Brings readers who have a part of an output the rest of it, from the log."""

    def __init__(self, read_output: Callable[[], ReadOutput], log_places: StoragePlaces) -> None:
        self._read_output = read_output
        self._log_places = log_places

    async def rest(self, job_id: JobId, stream: Stream, begin: int) -> AsyncIterator[OutputChunk]:
        """Yield what a program wrote from an offset on; nothing, where the log is out of reach.

        Raises:
            NoPlace: Other logs are being read.
        """
        try:
            rest = await self._log_places.run(lambda: Kept(self._read_output()(job_id, stream).data[begin:]))
        except (ApplicationError, OSError):
            return
        offset = begin
        async for piece in rest.pieces():
            yield OutputChunk(stream, offset, piece)
            offset += len(piece)
