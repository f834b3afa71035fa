from collections.abc import AsyncIterator, Callable

from application.errors import ApplicationError
from application.ports.output_feed import OutputChunk, Stream
from application.use_cases.read_output import ReadOutput
from domain.values import JobId
from entrypoints.http.concurrency import StorageLimiter
from entrypoints.http.streaming.spooled_body import SpooledBody, SpoolSpace


class Archive:
    """Brings readers who have a part of an output the rest of it, from the log."""

    def __init__(
        self, read_output: Callable[[], ReadOutput], log_limiter: StorageLimiter, spool_space: SpoolSpace
    ) -> None:
        self._read_output = read_output
        self._log_limiter = log_limiter
        self._spool_space = spool_space

    async def rest(self, job_id: JobId, stream: Stream, begin: int) -> AsyncIterator[OutputChunk]:
        """Yield what a program wrote from an offset on; nothing, where the log is out of reach.

        Raises:
            Overloaded: Other logs are being read.
        """

        def read() -> SpooledBody:
            return SpooledBody(self._read_output()(job_id, stream).data[begin:], self._spool_space)

        try:
            rest = await self._log_limiter.run(read)
        except (ApplicationError, OSError):
            return
        offset = begin
        async for piece in rest.pieces():
            yield OutputChunk(stream, offset, piece)
            offset += len(piece)
