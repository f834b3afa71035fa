"""The static files of pages: compressed once, and cached by browsers indefinitely by their digests."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from entrypoints.http.json_request import AnyRequest

_FILES = Path(__file__).parent / "static"
_DIGEST_CHARS = 12
_FOR_GOOD = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, uncompressed and compressed."""

    url: str
    digest: str
    media_type: str
    content: bytes
    compressed: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return all files by their paths below `static`."""
    found = (path for path in sorted(_FILES.rglob("*")) if path.is_file())
    return {path.relative_to(_FILES).as_posix(): _load(path) for path in found}


def asset_url(path: str) -> str:
    """Return the URL of a file. The URL changes with the content."""
    return assets()[path].url


@get("/static/{digest:str}/{path:path}", sync_to_thread=False, include_in_schema=False, scope=None)
def read_asset(request: AnyRequest, digest: FromPath[str], path: FromPath[str]) -> Response[bytes]:
    """Respond with a file.

    Raises:
        NotFoundException: There is no such file, or its content is different.
    """
    asset = assets().get(path.lstrip("/"))
    if asset is None or digest not in asset.url:
        raise NotFoundException
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding", "ETag": f'"{asset.digest}"'}
    if not accepts_gzip(request):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    return Response(
        asset.compressed,
        media_type=asset.media_type,
        headers={**headers, "ETag": f'"{asset.digest}-gzip"', "Content-Encoding": "gzip"},
    )


def accepts_gzip(request: AnyRequest) -> bool:
    """Whether the client accepts gzip."""
    codings = request.headers.get("accept-encoding", "").lower().split(",")
    return any(coding.strip() == "gzip" or coding.strip().startswith("gzip;q=1") for coding in codings)


def _load(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARS]
    guessed = mimetypes.guess_type(path.name)[0]
    return Asset(
        url=f"/dashboard/static/{digest}/{path.relative_to(_FILES).as_posix()}",
        digest=digest,
        media_type=_TYPES.get(path.suffix) or guessed or "text/plain",
        content=content,
        compressed=gzip.compress(content, mtime=0),
    )
