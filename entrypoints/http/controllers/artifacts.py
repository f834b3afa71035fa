"""The files that programs wrote."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from domain.artifacts import media_type
from domain.caller import Caller, Scope
from entrypoints.http.controllers.output import PART, IfRange, RangeHeader
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import JobIdInPath
from entrypoints.http.ranges import select_range
from entrypoints.http.streaming.spooled_body import SpooledBody

_DESCRIPTION = """
A file that the program wrote and that matches the upload's `artifacts`: all of it, or the part selected by a
`Range` header (RFC 9110). It is always served as a download, never displayed as a page.
"""
_PathInPath = Annotated[Path, PathParameter(description="The file's path, as listed in the result.")]
_PARTIAL = 206
# Untrusted content: no browser may run it, or guess another type for it.
UNTRUSTED = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


class ArtifactsController(Controller):
    """Files that programs wrote."""

    tags = ("Jobs",)

    @get(
        "/jobs/{jobId:str}/artifacts/{path:path}",
        media_type="application/octet-stream",
        **openapi_docs(
            "readArtifact",
            "Read an artifact",
            _DESCRIPTION,
            problems=(404, 409, 416),
            headers=("Accept-Ranges", "ETag", "Content-Disposition"),
            answers={206: PART},
            scope=Scope.LOGS_READ,
        ),
    )
    async def read(
        self,
        job_id: JobIdInPath,
        path: _PathInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        range_header: RangeHeader = None,
        if_range: IfRange = None,
    ) -> Response[Any]:
        """Read an artifact."""
        name = str(path).lstrip("/")

        def take() -> Response[Any]:
            artifact = api.services.read_file.artifact(caller, api.job_id(caller, job_id), name)
            tag, size = f'"{artifact.file.blob.sha256}"', len(artifact.data)
            headers = {**UNTRUSTED, "Accept-Ranges": "bytes", "ETag": tag}
            headers["Content-Disposition"] = _attachment(name)
            part = select_range(range_header if if_range in {None, tag} else None, size, tag)
            data, status = artifact.data, 200
            if part is not None:
                data, status = data[part.begin : part.end], _PARTIAL
                headers["Content-Range"] = part.content_range(size)
            return SpooledBody(data, api.spool_space).response(media_type(name), headers, status)

        return await api.log_limiter.run(take)


def _attachment(path: str) -> str:
    """Return the Content-Disposition header with the file's name (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}"
