"""Logs by key."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from application.log_links import LINK_PATH
from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.streaming.spooled_body import SpooledBody

_LogKey = Annotated[str, QueryParameter(description="The log_key of a job.")]
_Expires = Annotated[str, QueryParameter(description="When the link expires, as a Unix time in seconds.")]
_Signature = Annotated[str, QueryParameter(description="The link's signature.")]


class LogsController(Controller):
    """Logs."""

    tags = ("Jobs",)

    @get(
        "/log",
        media_type=MediaType.JSON,
        opt={"names": {"key": "log_key"}},
        **openapi_docs(
            "readLog",
            "Read a log",
            "The text of a log object, which is itself a JSON document with the measurements of an "
            "execution and the complete output of its program.",
            problems=(404,),
            headers=("ETag",),
            scope=Scope.LOGS_READ,
        ),
    )
    async def read(
        self, log_key: _LogKey, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> Response[Any]:
        """Read a log."""
        return await _answer(api, lambda: api.services.read_log(caller, log_key))

    @get(
        LINK_PATH.removeprefix("/api"),
        media_type=MediaType.JSON,
        opt={"names": {"key": "log_key"}},
        **openapi_docs(
            "readLogByLink",
            "Read a log by its link",
            "The same for the `logs_url` of a job whose log is in the data directory: a signed link that "
            "requires no key and gives access to that log only, until it expires.",
            problems=(404,),
            headers=("ETag",),
            scope=None,
        ),
    )
    async def read_by_link(
        self, log_key: _LogKey, expires: _Expires, signature: _Signature, api: NamedDependency[Api]
    ) -> Response[Any]:
        """Read a log by its link."""
        return await _answer(api, lambda: api.services.read_log.by_link(log_key, expires, signature))


async def _answer(api: Api, read_log: Callable[[], str]) -> Response[Any]:
    """Respond with a log. It may be large, so it is encoded on a storage thread."""

    def read() -> SpooledBody:
        return SpooledBody(msgspec.json.encode(read_log()), api.spool_space, is_tagged=True)

    log = await api.log_limiter.run(read)
    return log.response(MediaType.JSON, {"ETag": log.tag, "Cache-Control": "private, no-cache"})
