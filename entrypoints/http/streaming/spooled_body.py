"""Answers that may be large wait in a file for whoever asked, however slowly they are taken."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from tempfile import TemporaryFile
from threading import Lock
from typing import IO
from weakref import finalize

from litestar import Response
from litestar.response import Stream

from entrypoints.http.concurrency import Overloaded
from entrypoints.http.conditional import entity_tag
from entrypoints.http.request_context import caller_network

_SMALL_BYTES = 256 << 10
# As much an answer counts at least, for it has a file of its own, of which there are only so many.
_COUNTED_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10


class SpoolSpace:
    """The disk space of answers that their callers have not taken yet. Safe to use from several threads.

    Args:
        max_bytes: How much there is.
        max_bytes_per_address: How much of it one address may have.
    """

    def __init__(self, max_bytes: int, max_bytes_per_address: int) -> None:
        self._max_bytes = max_bytes
        self._max_bytes_per_address = max_bytes_per_address
        self._lock = Lock()
        self._used = 0
        self._used_by: Counter[str] = Counter()

    def reserve(self, size: int) -> Callable[[], None]:
        """Take space for an answer; return what gives it back. An answer that is alone always has space.

        Raises:
            Overloaded: Other answers have it.
        """
        size = max(size, _COUNTED_BYTES)
        network = caller_network()
        with self._lock:
            own = self._used_by[network]
            if self._used and self._used + size > self._max_bytes:
                raise Overloaded("other callers are still taking large answers")
            if own and own + size > self._max_bytes_per_address:
                raise Overloaded("one address takes only so much of large answers at once")
            self._used += size
            self._used_by[network] += size
        return partial(self._give_back, network, size)

    def _give_back(self, network: str, size: int) -> None:
        with self._lock:
            self._used -= size
            self._used_by[network] -= size
            if not self._used_by[network]:
                del self._used_by[network]


class SpooledBody:
    """Content on its way to a caller: in memory as long as it is small.

    Args:
        content: All of it.
        space: Where it is kept if it is not.

    Attributes:
        size: In bytes.
        tag: The content's entity tag, if it is to have one.

    Raises:
        Overloaded: There is no space for it.
    """

    def __init__(self, content: bytes, space: SpoolSpace, *, is_tagged: bool = False) -> None:
        self.size = len(content)
        self.tag = entity_tag(content) if is_tagged else ""
        self._small = content if self.size <= _SMALL_BYTES else b""
        self._file: IO[bytes] | None = None
        if not self._small and content:
            held = ExitStack()
            self._release = finalize(self, held.close)
            held.callback(space.reserve(self.size))
            self._file = held.enter_context(TemporaryFile())  # noqa: SIM115 - so it is
            self._file.write(content)
            self._file.seek(0)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content, and let go of it."""
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
        """Return the answer with this content."""
        if self._file is None:
            return Response(self._small, status_code=status_code, media_type=media_type, headers=headers)
        return Stream(
            self.pieces(),
            status_code=status_code,
            media_type=media_type,
            headers={"Content-Length": str(self.size), **(headers or {})},
        )
