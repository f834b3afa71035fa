"""Logs by their keys."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.streaming.spooled_body import SpooledBody


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
            "The text of a log object, which is itself a JSON document: the figures of an execution and all "
            "that its program wrote.",
            problems=(404,),
            headers=("ETag",),
            scope=Scope.LOGS_READ,
        ),
    )
    async def read(
        self,
        log_key: Annotated[str, QueryParameter(description="The log_key of a job.")],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[Any]:
        """Read a log. It may be large, so it is encoded here, on a thread of its own."""

        def read() -> SpooledBody:
            return SpooledBody(
                msgspec.json.encode(api.services.read_log(caller, log_key)), api.spool_space, is_tagged=True
            )

        log = await api.log_limiter.run(read)
        return log.response(MediaType.JSON, {"ETag": log.tag, "Cache-Control": "private, no-cache"})
