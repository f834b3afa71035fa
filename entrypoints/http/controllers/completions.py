"""Completion reports of engines, as signed webhooks."""

from typing import Annotated

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, RawBody
from msgspec import Meta, Struct

from application.use_cases.complete_execution import MessageKey
from domain.values import parse_execution_id
from entrypoints.http.callers import AnyConnection
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.webhook_signature import WebhookVerifier


class ReportResponse(Struct, kw_only=True):
    """The effect of an engine's report."""

    execution_id: str
    counted: Annotated[
        bool,
        Meta(
            description="Whether the report took effect; false if it was late or a duplicate.",
            examples=[True],
        ),
    ]


def _claims_to_be_signed(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Refuse a request without a plausible signature before its body is read, which may be large."""
    verifier: WebhookVerifier = connection.app.state.webhook_verifier
    verifier.read_claim(connection.headers)


class CompletionsController(Controller):
    """Reports of engines on the executions that were delegated to them."""

    tags = ("Engines",)

    @post(
        "/executions/{execution_id:str}/completion",
        status_code=200,
        guards=[_claims_to_be_signed],
        opt={"names": {"executionId": "execution_id", "report": ""}},
        **openapi_docs(
            "reportCompletion",
            "Report the result of an execution",
            "For engines that answered 202. The body is a runner's response, signed as defined by Standard "
            "Webhooks with the headers webhook-id, webhook-timestamp and webhook-signature.",
            problems=(401, 404, 413),
            scope=None,
        ),
    )
    async def report(
        self,
        execution_id: Annotated[
            str, PathParameter(description="The execution's id, as it was sent to the engine.")
        ],
        body: RawBody,
        request: AnyRequest,
        api: NamedDependency[Api],
    ) -> ReportResponse:
        """Report how an execution ended. A late or repeated report changes nothing."""

        def complete() -> bool:
            message_id = api.webhook_verifier.verify(request.headers, body)
            message = MessageKey("webhook", message_id)
            return api.services.report_completion(parse_execution_id(execution_id), body, message)

        counted = await api.report_limiter.run(complete)
        return ReportResponse(execution_id=execution_id, counted=counted)
