"""Webhooks: subscriptions to events, and their deliveries."""

import asyncio
from typing import Annotated, TypeAlias

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, PathParameter, QueryParameter

from application.lists import Cursor
from application.ports.delivery_repository import DeliveryFilter
from application.queries.webhook_reader import DEFAULT_DELIVERIES, MAX_DELIVERIES
from application.use_cases.rotate_key import DEFAULT_OVERLAP_S
from application.webhook_writer import SUBSCRIBERS_KNOWN_S
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.delivery import DeliveryStatus
from domain.errors import InvalidValue
from domain.values import JobId, WebhookId
from domain.webhook import WebhookTrigger
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import (
    CursorText,
    JobIdInPath,
    existing_delivery,
    existing_webhook,
    next_page,
    read_cursor,
)
from entrypoints.http.schemas.webhooks import (
    DeliveryResponse,
    IssuedWebhookResponse,
    SecretRotation,
    WebhookChange,
    WebhookRequest,
    WebhookResponse,
    WebhookState,
)

_WebhookBody = Annotated[
    WebhookRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="The ends of a project's jobs",
                value={
                    "url": "https://example.com/hooks/jobs",
                    "events": ["job.completed", "job.cancelled"],
                    "project": "hello",
                },
            )
        ]
    ),
]
_ChangeBody = Annotated[
    WebhookChange, BodyKwarg(examples=[Example(summary="Get events again", value={"status": "ACTIVE"})])
]
_RotationBody = Annotated[
    SecretRotation | None,
    BodyKwarg(examples=[Example(summary="Sign with both for another hour", value={"overlap_s": 3_600})]),
]
_WebhookId: TypeAlias = Annotated[str, PathParameter(description="A webhook's id, a UUID.")]
_DeliveryId: TypeAlias = Annotated[str, PathParameter(description="A delivery's id, a UUID.")]
_Project: TypeAlias = Annotated[
    str | None, QueryParameter(description="Only webhooks of this project, by name or id.")
]
_Status: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Deliveries with this status; those with FAILED are the dead letters.",
        schema_extra={"enum": list(DeliveryStatus)},
    ),
]
_Limit: TypeAlias = Annotated[
    int,
    QueryParameter(
        description="Maximum number of items.", schema_extra={"minimum": 0, "maximum": MAX_DELIVERIES}
    ),
]
_TRIGGERS = {
    WebhookState.ACTIVE: WebhookTrigger.ENABLE,
    WebhookState.DISABLED: WebhookTrigger.DISABLE,
}


class WebhooksController(Controller):
    """Subscriptions to events, and their deliveries."""

    path = "/webhooks"
    tags = ("Webhooks",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listWebhooks",
            "List webhooks",
            "The subscriptions that the caller can access, oldest first.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404,),
        ),
    )
    def list_all(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], project: _Project = None
    ) -> list[WebhookResponse]:
        """List webhooks."""
        return [WebhookResponse.of(view) for view in api.services.webhook_reader.all(caller, project)]

    @post(
        status_code=200,
        **openapi_docs(
            "createWebhook",
            "Subscribe to events",
            "Events are sent as defined by Standard Webhooks, signed with the secret that is only in the "
            "field `secret` of this response. Also requires the scope `jobs:read`.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404, 409),
            secret_answer=True,
        ),
    )
    async def create(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], data: _WebhookBody
    ) -> IssuedWebhookResponse:
        """Subscribe to events. After the response, no event is missed."""
        issued = await asyncio.to_thread(api.services.create_webhook, caller, data.command())
        await asyncio.sleep(SUBSCRIBERS_KNOWN_S)
        return IssuedWebhookResponse.of_issued(issued)

    @patch(
        "/{webhook_id:str}",
        **openapi_docs(
            "changeWebhook",
            "Enable or disable a webhook",
            "A disabled webhook receives no events; pending ones become dead letters.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404,),
        ),
    )
    async def change(
        self,
        webhook_id: _WebhookId,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _ChangeBody,
    ) -> WebhookResponse:
        """Enable or disable a webhook."""
        known, trigger = existing_webhook(webhook_id), _TRIGGERS[data.status]
        view = await asyncio.to_thread(api.services.change_webhook, caller, known, trigger)
        if trigger is WebhookTrigger.ENABLE:
            await asyncio.sleep(SUBSCRIBERS_KNOWN_S)
        return WebhookResponse.of(view)

    @delete(
        "/{webhook_id:str}",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "deleteWebhook",
            "Delete a webhook",
            "The webhook receives no further events, and its deliveries are deleted.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404,),
        ),
    )
    def remove(
        self, webhook_id: _WebhookId, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> WebhookResponse:
        """Delete a webhook."""
        known = existing_webhook(webhook_id)
        return WebhookResponse.of(api.services.change_webhook(caller, known, WebhookTrigger.DELETE))

    @post(
        "/{webhook_id:str}/rotate",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "rotateWebhookSecret",
            "Rotate a webhook's secret",
            "The new secret is only in the field `secret` of this response. Both secrets sign for "
            "`overlap_s`.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404,),
            secret_answer=True,
        ),
    )
    def rotate(
        self,
        webhook_id: _WebhookId,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _RotationBody = None,
    ) -> IssuedWebhookResponse:
        """Rotate a webhook's secret."""
        given = None if data is None else data.overlap_s
        overlap_s = DEFAULT_OVERLAP_S if given is None else given
        issued = api.services.rotate_webhook(caller, existing_webhook(webhook_id), overlap_s)
        return IssuedWebhookResponse.of_issued(issued)

    @post(
        "/{webhook_id:str}/test",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "testWebhook",
            "Send a test event",
            "Sends an event of the type `webhook.test`, and immediately returns its delivery.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404, 409),
        ),
    )
    def test(
        self, webhook_id: _WebhookId, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> DeliveryResponse:
        """Post a test event."""
        return DeliveryResponse.of(api.services.send_test_event(caller, existing_webhook(webhook_id)))

    @get(
        "/{webhook_id:str}/deliveries",
        sync_to_thread=True,
        **openapi_docs(
            "listDeliveries",
            "List deliveries to a webhook",
            "Newest first, with their latest attempts.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404,),
            headers=("Link",),
        ),
    )
    def deliveries(
        self,
        request: JsonRequest,
        webhook_id: _WebhookId,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        limit: _Limit = DEFAULT_DELIVERIES,
        status: _Status = None,
        cursor: CursorText = None,
    ) -> Response[list[DeliveryResponse]]:
        """List deliveries to a webhook."""
        wanted = DeliveryFilter(
            limit=limit,
            status=_status(status),
            cursor=None if cursor is None else read_cursor(cursor),
        )
        found = api.services.webhook_reader.deliveries(caller, existing_webhook(webhook_id), wanted)
        is_full = len(found) == limit > 0
        following = Cursor(found[-1].occurred_at, found[-1].id) if is_full else None
        return Response(
            [DeliveryResponse.of(delivery) for delivery in found], headers=next_page(request, following)
        )

    @post(
        "/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "redeliverEvent",
            "Redeliver an event",
            "For an event that was delivered or is a dead letter; it keeps its `webhook-id`.",
            scope=Scope.PROJECTS_WRITE,
            problems=(404, 409),
        ),
    )
    def redeliver(
        self,
        webhook_id: _WebhookId,
        delivery_id: _DeliveryId,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> DeliveryResponse:
        """Post an event once more."""
        return _redelivered(api, caller, delivery_id, existing_webhook(webhook_id))


class JobDeliveriesController(Controller):
    """Deliveries of a job's events to its callback and to webhooks."""

    path = "/jobs/{jobId:str}/deliveries"
    tags = ("Webhooks",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listJobDeliveries",
            "List deliveries of a job's events",
            "Deliveries to its callback and to webhooks, newest first.",
            scope=Scope.JOBS_READ,
            problems=(404, 409),
        ),
    )
    def deliveries(
        self, job_id: JobIdInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> list[DeliveryResponse]:
        """List deliveries of a job's events."""
        found = api.services.webhook_reader.of_job(caller, api.job_id(caller, job_id))
        return [DeliveryResponse.of(delivery) for delivery in found]

    @post(
        "/{delivery_id:str}/redeliver",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "redeliverCallback",
            "Redeliver the event of a job's callback",
            "For an event that was delivered or is a dead letter; it keeps its `webhook-id`.",
            scope=Scope.JOBS_WRITE,
            problems=(404, 409),
        ),
    )
    def redeliver(
        self,
        job_id: JobIdInPath,
        delivery_id: _DeliveryId,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> DeliveryResponse:
        """Post a job's end to its callback once more."""
        return _redelivered(api, caller, delivery_id, api.job_id(caller, job_id))


def _redelivered(api: Api, caller: Caller, delivery_id: str, owner: WebhookId | JobId) -> DeliveryResponse:
    """Deliver an event to a webhook or a job's callback once more."""
    return DeliveryResponse.of(api.services.redeliver_event(caller, existing_delivery(delivery_id), owner))


def _status(given: str | None) -> DeliveryStatus | None:
    try:
        return None if given is None else DeliveryStatus(given)
    except ValueError:
        raise InvalidValue("status", text("problems.one_of", choices=", ".join(DeliveryStatus))) from None
