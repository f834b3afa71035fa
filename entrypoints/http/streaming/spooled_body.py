"""Bodies of large responses, spooled to files while slow clients read them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO
from weakref import finalize

from litestar import Response
from litestar.response import Stream

from entrypoints.http.concurrency import SharedBudget
from entrypoints.http.conditional import entity_tag

_SMALL_BYTES = 256 << 10
# Each spooled body counts as at least this much space, because open files are limited too.
_COUNTED_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10


class SpooledBody:
    """The body of a response: in memory if it is small, otherwise in a temporary file.

    Args:
        content: The whole body.
        space: The budget for temporary files, from which a large body takes its size.

    Attributes:
        size: The size in bytes.
        tag: The content's entity tag; empty unless `is_tagged`.

    Raises:
        Overloaded: There is no space for the body.
    """

    def __init__(self, content: bytes, space: SharedBudget, *, is_tagged: bool = False) -> None:
        self.size = len(content)
        self.tag = entity_tag(content) if is_tagged else ""
        self._small = content if self.size <= _SMALL_BYTES else b""
        self._file: IO[bytes] | None = None
        if not self._small and content:
            held = ExitStack()
            self._release = finalize(self, held.close)
            held.callback(space.reserve(max(self.size, _COUNTED_BYTES)))
            self._file = held.enter_context(TemporaryFile())  # noqa: SIM115 - closed by the stack
            self._file.write(content)
            self._file.seek(0)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content, then release its space."""
        if self._file is None:
            yield self._small
            return
        try:
            while piece := self._file.read(_PIECE_BYTES):
                yield piece
        finally:
            self._release()

    def response(
        self, media_type: str, headers: Mapping[str, str] | None = None, status_code: int = 200
    ) -> Response[bytes] | Stream:
        """Return a response with this content."""
        if self._file is None:
            return Response(self._small, status_code=status_code, media_type=media_type, headers=headers)
        return Stream(
            self.pieces(),
            status_code=status_code,
            media_type=media_type,
            headers={"Content-Length": str(self.size), **(headers or {})},
        )
