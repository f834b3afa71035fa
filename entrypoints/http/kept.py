"""Answers that may be large wait in a file for whoever asked, however slowly they are taken."""

from collections.abc import AsyncIterator, Mapping
from tempfile import TemporaryFile
from typing import IO

from litestar import Response
from litestar.response import Stream

from entrypoints.http.conditional import entity_tag

_SMALL_BYTES = 256 << 10
_PIECE_BYTES = 64 << 10


class Kept:
    """Content on its way to a caller: in memory as long as it is small.

    Attributes:
        size: In bytes.
        tag: The content's entity tag, if it is to have one.
    """

    def __init__(self, content: bytes, *, is_tagged: bool = False) -> None:
        self.size = len(content)
        self.tag = entity_tag(content) if is_tagged else ""
        self._small = content if self.size <= _SMALL_BYTES else b""
        self._file: IO[bytes] | None = None
        if not self._small and content:
            self._file = TemporaryFile()  # noqa: SIM115 - closed when it has been read
            self._file.write(content)
            self._file.seek(0)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content, and let go of it."""
        if self._file is None:
            yield self._small
            return
        with self._file as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def response(
        self, media_type: str, headers: Mapping[str, str] | None = None, status_code: int = 200
    ) -> Response[bytes] | Stream:
        """Return the answer with this content."""
        if self._file is None:
            return Response(self._small, status_code=status_code, media_type=media_type, headers=headers)
        return Stream(
            self.pieces(),
            status_code=status_code,
            media_type=media_type,
            headers={"Content-Length": str(self.size), **(headers or {})},
        )
