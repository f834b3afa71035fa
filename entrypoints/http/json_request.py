"""Requests with a JSON body: limits, decoding and unknown fields."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException, InternalServerException

from application.file_spool import FileSpool
from entrypoints.http.json_members import MAX_TOKENS, UnwantedMember, members
from entrypoints.http.unreadable_body import UNKNOWN_FIELD, BodyTooLarge, UnreadableBody
from entrypoints.http.upload_form import ARCHIVE_TYPES, ArchiveReader, UploadForm, UploadFormReader

F_co = TypeVar("F_co", covariant=True)
AnyRequest: TypeAlias = Request[Any, Any, Any]
# The key of a route's `opt` for the maximum number of values in a body, if not the usual one.
MAX_VALUES = "max_values"
# Larger bodies need a slot of the limiter while they are received.
_SMALL_BYTES = 64 << 10
# Extra time for a slow start and pauses, beyond the time that the received bytes allow.
_GRACE_S = 3.0
JSON = "application/json"
# Also the key of a route's `opt` that makes the route accept such bodies.
MULTIPART = "multipart/form-data"
# The key of a route's `opt` that makes it accept an archive as its body, and forms without a job.
ARCHIVES = "archives"
_ANY_BYTES = "application/octet-stream"
_JSON = re.compile(r"application/([a-z0-9._-]+\+)?json")
IGNORED_FIELDS_HEADER = "X-Ignored-Fields"
_MAX_IGNORED_NAMES = 16
_MAX_NAME_CHARS = 64
# The characters of a token (RFC 9110, 5.6.2) that `quote` does not keep itself, except "%".
_UNQUOTED = "!#$&'*+^`|"
_MORE = "\N{HORIZONTAL ELLIPSIS}"
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})


class FilesReader(Protocol[F_co]):
    """A parser of a body whose files are spooled to disk."""

    def take(self, piece: bytes) -> None:
        """Parse a piece."""

    def finish(self) -> F_co:
        """Return the parsed body."""


class UnsupportedMediaType(Exception):
    """The operation does not accept the body's media type, charset or encoding.

    Attributes:
        headers: The form that it accepts (RFC 9110, 15.5.16).
    """

    headers = MappingProxyType({"Accept": JSON, "Accept-Encoding": "identity"})


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is decoded directly into its handler's type, without coercion.

    A body needs a JSON content type. Browsers send a preflight before they send one to another origin, so no
    page can run code here without its user's knowledge (Fetch standard, "CORS-safelisted request-header").

    Attributes:
        ignored_fields: The names of the body's unknown fields that are tolerated.
        form_of_upload: The multipart body that contained the JSON, on routes that accept one.
    """

    ignored_fields: Sequence[str] = ()
    form_of_upload: UploadForm | None = None
    _received_body: bytes | None = None

    async def json(self) -> Any:  # noqa: ANN401 - as in the base class
        """Return the body as the handler's type. The framework does not call this for an empty body.

        Raises:
            UnsupportedMediaType: The headers do not declare JSON in UTF-8.
            UnreadableBody: The body is not JSON, or not of that type.
        """
        body = await self.body()
        if not self.is_upload_form:
            self._check_form()
        if len(body) <= _SMALL_BYTES:
            return self._decoded(body)
        return await asyncio.to_thread(self._decoded, body)

    @property
    def is_upload_form(self) -> bool:
        """Whether the body is a multipart form or an archive, and the route accepts it."""
        is_multipart = self.content_type[0] == MULTIPART and bool(self.route_handler.opt.get(MULTIPART))
        return is_multipart or self._is_archive

    @property
    def _is_archive(self) -> bool:
        takes_archives = bool(self.route_handler.opt.get(ARCHIVES))
        return takes_archives and self.content_type[0] in {*ARCHIVE_TYPES, _ANY_BYTES}

    async def upload_form(self) -> UploadForm:
        """Return the multipart body, whose files are on disk as long as the request lasts.

        Raises:
            UnsupportedMediaType: The body is compressed.
            UnreadableBody: The body is malformed, or has no job.
            HTTPException: The body arrived too slowly.
            Overloaded: No slot became free in time, or other uploads use the disk space.
        """
        if self.form_of_upload is None:
            self._check_encoding()
            self.form_of_upload = await self.receive_files(self._form_reader)
        return self.form_of_upload

    async def fingerprint(self) -> bytes:
        """Return the body or a digest of it, by which a repeated request is recognized."""
        body = await self.body()
        return body if self.form_of_upload is None else self.form_of_upload.fingerprint()

    async def receive_files(self, make_reader: Callable[[FileSpool], FilesReader[F_co]]) -> F_co:
        """Return the body as parsed by a reader. Its files are on disk until their spool is closed.

        Raises:
            UnreadableBody: The reader raised it.
            HTTPException: The body arrived too slowly.
            Overloaded: No slot became free in time, or other uploads use the disk space.
        """
        state = self.app.state
        announced = self.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else state.max_upload_bytes
        # The spool gives back the reserved space when it is closed or garbage-collected.
        spool = FileSpool(release=state.upload_space.reserve(min(size, state.max_upload_bytes)))
        try:
            reader = make_reader(spool)
            async with state.body_limiter.slot():
                await receive_in_time(reader.take, self.stream(), state.min_upload_bytes_per_s)
            return reader.finish()
        except BaseException:
            spool.close()
            raise

    def _form_reader(self, spool: FileSpool) -> ArchiveReader | UploadFormReader:
        state = self.app.state
        if self._is_archive:
            return ArchiveReader(self.content_type[0], spool)
        boundary = self.content_type[1].get("boundary", "")
        needs_job = not self.route_handler.opt.get(ARCHIVES)
        return UploadFormReader(
            boundary, spool, state.file_limits.files, state.max_body_bytes, needs_job=needs_job
        )

    def _check_form(self) -> None:
        media_type, options = self.content_type
        if not _JSON.fullmatch(media_type.lower()):
            more = f", or as {MULTIPART}" if self.route_handler.opt.get(MULTIPART) else ""
            more += ", or an archive as application/zip" if self.route_handler.opt.get(ARCHIVES) else ""
            raise UnsupportedMediaType(f"send the body as JSON, with the header Content-Type: {JSON}{more}")
        if options.get("charset", "utf-8").lower() not in _UTF_8:
            raise UnsupportedMediaType(f"send the body as UTF-8, with the header Content-Type: {JSON}")
        self._check_encoding()

    def _check_encoding(self) -> None:
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("send the body uncompressed, without a Content-Encoding")

    def _decoded(self, body: bytes) -> Any:  # noqa: ANN401 - the type that the handler declares
        field = self.route_handler.parsed_data_field
        wanted = Any if field is None else field.annotation
        try:
            body.decode()  # the decoder below does not check the parts that it skips
            decoded = msgspec.json.decode(body, type=wanted)
            names = members(body, self.route_handler.opt.get(MAX_VALUES, MAX_TOKENS))
        except UnicodeDecodeError as error:
            raise UnreadableBody("the body is not UTF-8") from error
        except RecursionError as error:
            raise UnreadableBody("the body is nested too deeply") from error
        except msgspec.DecodeError as error:
            raise UnreadableBody(str(error), wanted=wanted) from error
        except UnwantedMember as error:
            raise UnreadableBody(str(error), error.path) from error
        self.ignored_fields = _unknown(type(decoded), names)
        return decoded

    async def body(self) -> bytes:
        """Return the body, or the JSON in a multipart body.

        The number of large bodies received concurrently is limited, and so is the time for each.

        Raises:
            ClientException: The body is incomplete.
            HTTPException: The body arrived too slowly.
            Overloaded: No slot became free in time.
        """
        if self._received_body is None:
            try:
                is_form = self.is_upload_form
                self._received_body = (await self.upload_form()).job if is_form else await self._receive()
            except InternalServerException as error:
                raise ClientException("the request ended before its body was complete") from error
        return self._received_body

    async def _receive(self) -> bytes:
        """Receive the body. A large one holds a slot of the limiter meanwhile."""
        body = bytearray()
        # Routes that accept files allow larger bodies than this one, which is kept in memory.
        most = self.app.state.max_body_bytes if self.route_handler.opt.get(MULTIPART) else None

        def take(piece: bytes) -> None:
            body.extend(piece)
            if most is not None and len(body) > most:
                raise BodyTooLarge(most)

        pieces = self.stream()
        async for piece in pieces:
            take(piece)
            if len(body) > _SMALL_BYTES:
                break
        else:
            return bytes(body)
        async with self.app.state.body_limiter.slot():
            await receive_in_time(take, pieces, self.app.state.min_upload_bytes_per_s)
        return bytes(body)


async def receive_in_time(
    take: Callable[[bytes], None], pieces: AsyncIterator[bytes], min_bytes_per_s: int
) -> None:
    """Pass on the pieces of a body; each piece extends the deadline.

    Raises:
        HTTPException: The body arrived too slowly.
    """
    end = asyncio.get_running_loop().time() + _GRACE_S
    try:
        async with asyncio.timeout_at(end) as deadline:
            async for piece in pieces:
                take(piece)
                end += len(piece) / min_bytes_per_s
                deadline.reschedule(end)
    except TimeoutError as error:
        raise HTTPException(
            f"the body arrived at less than {min_bytes_per_s} bytes per second, the minimum that "
            "SERVICE_SERVER_MIN_UPLOAD_BYTES_PER_S sets",
            status_code=408,
            headers={"Connection": "close"},
        ) from error


def _unknown(taken: type, names: Sequence[str]) -> Sequence[str]:
    """Return the names of a body's fields that are not in its type.

    Raises:
        UnreadableBody: There is one, and a known field shows that the body is not from a legacy client.
    """
    known = frozenset(getattr(taken, "__struct_encode_fields__", names))
    unknown = [name for name in names if name not in known]
    legacy: frozenset[str] = getattr(taken, "LEGACY_FIELDS", frozenset())
    if unknown and not known.intersection(names) <= legacy:
        raise UnreadableBody(UNKNOWN_FIELD, unknown[:1], taken)
    return unknown


def ignored_fields_header(names: Sequence[str]) -> dict[str, str]:
    """Return the header that lists ignored fields; none if there are no names.

    Names are separated by commas and percent-encoded as UTF-8. An ellipsis (`%E2%80%A6`) ends a truncated
    name, and stands for the names after the sixteenth. An empty name is a pair of quotes.
    """
    if not names:
        return {}
    shown = [_encoded_name(name) for name in names[:_MAX_IGNORED_NAMES]]
    if len(names) > _MAX_IGNORED_NAMES:
        shown.append(quote(_MORE))
    return {IGNORED_FIELDS_HEADER: ", ".join(shown)}


def shortened_name(name: str) -> str:
    """Return the name of a field for a response: one of more than 64 characters is cut, with an ellipsis."""
    return name if len(name) <= _MAX_NAME_CHARS else name[:_MAX_NAME_CHARS] + _MORE


def _encoded_name(name: str) -> str:
    return quote(shortened_name(name), safe=_UNQUOTED) or '""'
