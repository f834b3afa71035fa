"""Requests with a JSON body: its limits, decoding and unknown fields."""

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
# The name in a route's `opt` of the number of values that a body may have, where that is not the usual one.
MAX_VALUES = "max_values"
# What a connection may have on its way in without asking for a place.
_SMALL_BYTES = 64 << 10
# A sender may begin slowly, or pause, for this time beyond what its bytes may take.
_GRACE_S = 3.0
JSON = "application/json"
# Also the name in a route's `opt` that says that it takes such bodies.
MULTIPART = "multipart/form-data"
# The name in a route's `opt` that says that it takes an archive as its body, also as a part without a job.
ARCHIVES = "archives"
_ANY_BYTES = "application/octet-stream"
_JSON = re.compile(r"application/([a-z0-9._-]+\+)?json")
IGNORED_FIELDS_HEADER = "X-Ignored-Fields"
_MAX_IGNORED_NAMES = 16
_MAX_IGNORED_NAME_CHARS = 64
# What a token may have beside letters, digits and quote's own safe characters, but "%" (RFC 9110, 5.6.2).
_UNQUOTED = "!#$&'*+^`|"
_MORE = "\N{HORIZONTAL ELLIPSIS}"
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})


class FilesReader(Protocol[F_co]):
    """A reader of a body whose files go to disk."""

    def take(self, piece: bytes) -> None:
        """Read a piece."""

    def finish(self) -> F_co:
        """Return all of it."""


class UnsupportedMediaType(Exception):
    """The body has a media type, charset or encoding that the operation does not accept.

    Attributes:
        headers: The form that it takes (RFC 9110, 15.5.16).
    """

    headers = MappingProxyType({"Accept": JSON, "Accept-Encoding": "identity"})


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is decoded straight into its handler's type, without coercion.

    A body needs a JSON content type: a browser asks leave before it sends one to another origin, so no page
    can have code run here behind its user's back (Fetch standard, "CORS-safelisted request-header").

    Attributes:
        ignored_fields: The names of the body's fields that are not known and may be there all the same.
        form_of_upload: The multipart body that the JSON came in, where the route takes one.
    """

    ignored_fields: Sequence[str] = ()
    form_of_upload: UploadForm | None = None
    _received_body: bytes | None = None

    async def json(self) -> Any:  # noqa: ANN401 - as the base class has it
        """Return the body as the handler's type. The framework does not ask for an empty one.

        Raises:
            UnsupportedMediaType: Its headers do not declare JSON in UTF-8.
            UnreadableBody: It is not JSON, or not of that type.
        """
        body = await self.body()
        if not self.is_upload_form:
            self._check_form()
        if len(body) <= _SMALL_BYTES:
            return self._decoded(body)
        return await asyncio.to_thread(self._decoded, body)

    @property
    def is_upload_form(self) -> bool:
        """Whether it has a multipart body, or an archive, on a route that takes one."""
        is_multipart = self.content_type[0] == MULTIPART and bool(self.route_handler.opt.get(MULTIPART))
        return is_multipart or self._is_archive

    @property
    def _is_archive(self) -> bool:
        takes_archives = bool(self.route_handler.opt.get(ARCHIVES))
        return takes_archives and self.content_type[0] in {*ARCHIVE_TYPES, _ANY_BYTES}

    async def upload_form(self) -> UploadForm:
        """Return the multipart body, whose files are on disk as long as the request.

        Raises:
            UnreadableBody: It is none, or has no job.
            HTTPException: It came too slowly.
            Overloaded: Others took too long, or have the disk's space.
        """
        if self.form_of_upload is None:
            self.form_of_upload = await self.receive_files(self._form_reader)
        return self.form_of_upload

    async def fingerprint(self) -> bytes:
        """Return the body, or a digest of it, by which the request is known again."""
        body = await self.body()
        return body if self.form_of_upload is None else self.form_of_upload.fingerprint()

    async def receive_files(self, make_reader: Callable[[FileSpool], FilesReader[F_co]]) -> F_co:
        """Have a reader take the body, and return it; its files are on disk as long as its spool.

        Raises:
            UnreadableBody: From the reader.
            HTTPException: It came too slowly.
            Overloaded: Others took too long, or have the disk's space.
        """
        state = self.app.state
        announced = self.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else state.max_upload_bytes
        # What is reserved is free again when the spool is closed, or gone.
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
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("send the body as it is, without a Content-Encoding")

    def _decoded(self, body: bytes) -> Any:  # noqa: ANN401 - what the handler takes
        field = self.route_handler.parsed_data_field
        wanted = Any if field is None else field.annotation
        try:
            body.decode()  # the decoder below does not look into what it skips
            decoded = msgspec.json.decode(body, type=wanted)
            names = members(body, self.route_handler.opt.get(MAX_VALUES, MAX_TOKENS))
        except UnicodeDecodeError as error:
            raise UnreadableBody("the body is not UTF-8") from error
        except RecursionError as error:
            raise UnreadableBody("the body is nested too deep") from error
        except msgspec.DecodeError as error:
            raise UnreadableBody(str(error), wanted=wanted) from error
        except UnwantedMember as error:
            raise UnreadableBody(str(error), error.path) from error
        self.ignored_fields = _unknown(type(decoded), names)
        return decoded

    async def body(self) -> bytes:
        """Return the body, or the JSON in a multipart one.

        The number of large ones at once is limited, and so is the time for each.

        Raises:
            ClientException: It did not come in full.
            HTTPException: It came too slowly.
            Overloaded: Others took too long.
        """
        if self._received_body is None:
            try:
                is_form = self.is_upload_form
                self._received_body = (await self.upload_form()).job if is_form else await self._receive()
            except InternalServerException as error:
                raise ClientException("the request ended before its body did") from error
        return self._received_body

    async def _receive(self) -> bytes:
        """Receive the body; a large one holds a slot of the limiter meanwhile."""
        body = bytearray()
        # A route that takes files takes larger bodies than this one, which is in memory.
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
    """Pass on the pieces of a body, with more time for each that comes.

    Raises:
        HTTPException: It came too slowly.
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
            f"the body came more slowly than {min_bytes_per_s} bytes a second, the minimum that "
            "SERVICE_SERVER_MIN_UPLOAD_BYTES_PER_S sets",
            status_code=408,
            headers={"Connection": "close"},
        ) from error


def _unknown(taken: type, names: Sequence[str]) -> Sequence[str]:
    """Return the names of a body's fields that its type does not know.

    Raises:
        UnreadableBody: It has one beside a field that existing clients do not send.
    """
    known = frozenset(getattr(taken, "__struct_encode_fields__", names))
    unknown = [name for name in names if name not in known]
    legacy: frozenset[str] = getattr(taken, "LEGACY_FIELDS", frozenset())
    if unknown and not known.intersection(names) <= legacy:
        raise UnreadableBody(UNKNOWN_FIELD, unknown[:1], taken)
    return unknown


def ignored_fields_header(names: Sequence[str]) -> dict[str, str]:
    """Return the header, or none for no names.

    Names are separated by commas and percent-encoded as UTF-8. An ellipsis (`%E2%80%A6`) ends a name that is
    cut short, and stands for the names after the sixteenth; an empty name is a pair of quotes.
    """
    if not names:
        return {}
    shown = [_encoded_name(name) for name in names[:_MAX_IGNORED_NAMES]]
    if len(names) > _MAX_IGNORED_NAMES:
        shown.append(quote(_MORE))
    return {IGNORED_FIELDS_HEADER: ", ".join(shown)}


def _encoded_name(name: str) -> str:
    cut = name if len(name) <= _MAX_IGNORED_NAME_CHARS else name[:_MAX_IGNORED_NAME_CHARS] + _MORE
    return quote(cut, safe=_UNQUOTED) or '""'
