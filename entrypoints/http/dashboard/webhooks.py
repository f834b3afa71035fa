"""The pages of a project's webhooks and their deliveries."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.commands import CreateWebhookCommand
from application.errors import NotFound
from application.ports.delivery_repository import DeliveryFilter
from application.views import IssuedWebhook, WebhookView
from application.webhook_writer import SUBSCRIBERS_KNOWN_S
from domain.caller import Caller, Scope
from domain.values import WebhookId
from domain.webhook import WebhookTrigger
from domain.webhook_event import SUBSCRIBED
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.formatting import project_url
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_delivery, existing_webhook

_SHOWN = 50
_EVENT_FIELD = "event:"
_TRIGGERS = {trigger.value: trigger for trigger in WebhookTrigger}


class WebhooksPages(Controller):
    """The webhooks of a project, their deliveries, and forms to create and change them."""

    path = "/projects/{project:str}/webhooks"
    opt = {"scope": Scope.PROJECTS_WRITE}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the webhooks."""
        return _page(request, pages, caller, api, project, None)

    @post()
    async def create(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Create a webhook, and show its secret once."""
        command = _command(project, await read_form(request))
        issued = await asyncio.to_thread(api.services.create_webhook, caller, command)
        await asyncio.sleep(SUBSCRIBERS_KNOWN_S)
        return await asyncio.to_thread(_page, request, pages, caller, api, project, issued)

    @post("/{webhook_id:str}/rotate")
    async def rotate(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Rotate the secret of a webhook, and show the new one once."""
        await read_form(request)
        known = existing_webhook(webhook_id)
        issued = await asyncio.to_thread(api.services.rotate_webhook, caller, known)
        return await asyncio.to_thread(_page, request, pages, caller, api, project, issued)

    @post("/{webhook_id:str}/test")
    async def test(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Send a test event, and show the deliveries."""
        known = existing_webhook(webhook_id)
        return await _done(request, lambda: api.services.send_test_event(caller, known), project, known)

    @post("/{webhook_id:str}/change")
    async def change(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Enable, disable or delete a webhook."""
        trigger = _TRIGGERS.get((await read_form(request)).get("change", ""))
        if trigger is None:
            raise NotFound("change", "of a webhook")
        known = existing_webhook(webhook_id)
        await asyncio.to_thread(api.services.change_webhook, caller, known, trigger)
        return go_to(request, _url(project))

    @get("/{webhook_id:str}", sync_to_thread=True)
    def deliveries(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the deliveries to a webhook."""
        context = {"version": "", **_deliveries(caller, api, project, webhook_id)}
        return pages.page(request, "deliveries.html", context)

    @get("/{webhook_id:str}/list", sync_to_thread=True)
    def refresh(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the list of deliveries."""
        return pages.part(request, "_deliveries.html", _deliveries(caller, api, project, webhook_id))

    @post("/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver")
    async def redeliver(
        self,
        request: AnyRequest,
        project: FromPath[str],
        webhook_id: FromPath[str],
        delivery_id: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Deliver an event once more."""
        delivery, known = existing_delivery(delivery_id), existing_webhook(webhook_id)
        act = partial(api.services.redeliver_event, caller, delivery, known)
        return await _done(request, act, project, known)


async def _done(
    request: AnyRequest, act: Callable[[], object], project: str, webhook_id: WebhookId
) -> Response[bytes] | Redirect:
    """Perform a form's action, and show the deliveries to the webhook."""
    await read_form(request)
    await asyncio.to_thread(act)
    return go_to(request, f"{_url(project)}/{webhook_id}")


def _url(project: str) -> str:
    return f"{project_url(project)}/webhooks"


def _page(
    request: AnyRequest,
    pages: Pages,
    caller: Caller,
    api: Api,
    project: str,
    issued: IssuedWebhook | None,
) -> Response[bytes]:
    found = api.services.project_reader.get(caller, project)
    context = {
        "project": found,
        "webhooks": list(reversed(api.services.webhook_reader.all(caller, project))),
        "events": [event.value for event in SUBSCRIBED],
        "issued": issued,
    }
    return pages.page(request, "webhooks.html", context)


def _deliveries(caller: Caller, api: Api, project: str, webhook_id: str) -> dict[str, object]:
    found = api.services.project_reader.get(caller, project)
    known = existing_webhook(webhook_id)
    shown: WebhookView = api.services.webhook_reader.get(caller, known)
    if shown.webhook.project != found.id:
        raise NotFound("webhook", webhook_id)
    wanted = DeliveryFilter(limit=_SHOWN)
    return {
        "project": found,
        "webhook": shown.webhook,
        "deliveries": api.services.webhook_reader.deliveries(caller, known, wanted),
    }


def _command(project: str, form: Mapping[str, str]) -> CreateWebhookCommand:
    """Read the form. Each event has its own field, because a field has one value."""
    chosen = {name.removeprefix(_EVENT_FIELD) for name in form if name.startswith(_EVENT_FIELD)}
    return CreateWebhookCommand(
        url=form.get("url", "").strip(),
        events=frozenset(event for event in SUBSCRIBED if event.value in chosen),
        project=project,
    )
