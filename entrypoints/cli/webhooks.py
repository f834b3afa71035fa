"""The command `webhooks`, which manages subscriptions to events and shows deliveries by the HTTP API."""

import time

import rich_click as click

from domain.catalogue.text import Text, text
from entrypoints.cli.client import Json, ServiceClient, segment
from entrypoints.cli.columns import Column
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.connection import connect, server_option
from entrypoints.cli.errors import ExitCode, Failure, in_language
from entrypoints.cli.terminal import json_option, list_options, print_fields, print_json, print_table, say
from entrypoints.cli.values import Choice

_EVENTS = ("job.started", "job.completed", "job.cancelled", "batch.completed")
_COLUMNS = ("webhook_id", "status", "project", "events", "url")
_POLL_S = 0.2
# An attempt ends within a few seconds.
_TEST_S = 15.0
# The largest list of deliveries that the API returns.
_MAX_DELIVERIES = 200


@click.group("webhooks")
def command() -> None:
    """Post events of jobs to URLs, and inspect the deliveries."""


@command.command("list")
@click.option("--project", metavar="NAME", help="Only webhooks of this project, by name or id.")
@list_options
@server_option
def list_webhooks(*, project: str | None, as_json: bool, server: str | None) -> None:
    """List webhooks, oldest first."""
    with connect(server) as client:
        webhooks = client.get("/api/webhooks", project=project)
    if as_json:
        print_json(webhooks)
        return
    print_table(
        [Column(name) for name in _COLUMNS],
        ([_cell(webhook[name]) for name in _COLUMNS] for webhook in webhooks),
    )


@command.command("add")
@click.argument("url", metavar="URL")
@click.option("--project", metavar="NAME", help="Project, by name or id; all by default.")
@click.option(
    "--event",
    "events",
    type=Choice(_EVENTS),
    multiple=True,
    help="Event to post; may be repeated. By default, the ends of jobs and batches.",
)
@json_option
@server_option
def add(*, url: str, project: str | None, events: tuple[str, ...], as_json: bool, server: str | None) -> None:
    """Subscribe a URL to events, and print the signing secret."""
    body = {"url": url, "project": project, "events": list(events) or None}
    with connect(server) as client:
        webhook = client.post("/api/webhooks", body)
    _print_issued(webhook, as_json=as_json)


@command.command("remove")
@click.argument("webhook_id", metavar="WEBHOOK")
@yes_option
@json_option
@server_option
def remove(*, webhook_id: str, is_sure: bool, as_json: bool, server: str | None) -> None:
    """Delete a webhook with its deliveries."""
    confirm(text("cli.remove_webhook", id=webhook_id), is_sure=is_sure)
    with connect(server) as client:
        webhook = client.delete(f"/api/webhooks/{segment(webhook_id)}")
    _print_changed(webhook, text("cli.deleted", id=webhook["webhook_id"]), as_json=as_json)


@command.command("enable")
@click.argument("webhook_id", metavar="WEBHOOK")
@json_option
@server_option
def enable(*, webhook_id: str, as_json: bool, server: str | None) -> None:
    """Enable a webhook: events are posted to it again."""
    with connect(server) as client:
        webhook = client.patch(f"/api/webhooks/{segment(webhook_id)}", {"status": "ACTIVE"})
    _print_changed(webhook, text("cli.webhook_enabled", id=webhook["webhook_id"]), as_json=as_json)


@command.command("disable")
@click.argument("webhook_id", metavar="WEBHOOK")
@json_option
@server_option
def disable(*, webhook_id: str, as_json: bool, server: str | None) -> None:
    """Disable a webhook: no events are posted to it."""
    with connect(server) as client:
        webhook = client.patch(f"/api/webhooks/{segment(webhook_id)}", {"status": "DISABLED"})
    _print_changed(webhook, text("cli.webhook_disabled", id=webhook["webhook_id"]), as_json=as_json)


@command.command("rotate")
@click.argument("webhook_id", metavar="WEBHOOK")
@click.option(
    "--overlap-s",
    type=click.IntRange(min=0),
    metavar="S",
    help="Seconds for which both secrets sign; a day by default.",
)
@json_option
@server_option
def rotate(*, webhook_id: str, overlap_s: int | None, as_json: bool, server: str | None) -> None:
    """Replace the secret of a webhook, and print the new one."""
    with connect(server) as client:
        webhook = client.post(f"/api/webhooks/{segment(webhook_id)}/rotate", {"overlap_s": overlap_s})
    _print_issued(webhook, as_json=as_json)


@command.command("test")
@click.argument("webhook_id", metavar="WEBHOOK")
@json_option
@server_option
def test(*, webhook_id: str, as_json: bool, server: str | None) -> None:
    """Post a test event and print its first attempt; exit with 1 if it is not delivered."""
    path = f"/api/webhooks/{segment(webhook_id)}"
    with connect(server) as client:
        posted = client.post(f"{path}/test")
        delivery = _attempted(client, path, posted["delivery_id"])
    if as_json:
        print_json(delivery)
    elif delivery["attempts"]:
        print_fields(delivery["attempts"][-1].items())
    if delivery["status"] != "DELIVERED":
        raise Failure(text("cli.not_delivered", status=delivery["status"]), ExitCode.FAILED)


@command.command("deliveries")
@click.argument("webhook_id", metavar="WEBHOOK")
@click.option(
    "--status",
    type=Choice(("PENDING", "DELIVERED", "FAILED")),
    help="Only deliveries with this status; FAILED ones are dead letters.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_DELIVERIES),
    default=20,
    show_default=True,
    help="Maximum number of results.",
)
@list_options
@server_option
def deliveries(*, webhook_id: str, status: str | None, limit: int, as_json: bool, server: str | None) -> None:
    """List the deliveries to a webhook with their latest attempts, newest first."""
    path = f"/api/webhooks/{segment(webhook_id)}/deliveries"
    with connect(server) as client:
        found = client.get(path, status=status, limit=limit)
    if as_json:
        print_json(found)
        return
    columns = (
        Column.DELIVERY,
        Column.EVENT,
        Column.ABOUT,
        Column.STATUS,
        Column.ATTEMPTS,
        Column.LATEST,
        Column.NEXT_ATTEMPT,
    )
    print_table(columns, map(_row, found))


@command.command("redeliver")
@click.argument("webhook_id", metavar="WEBHOOK")
@click.argument("delivery_id", metavar="DELIVERY")
@json_option
@server_option
def redeliver(*, webhook_id: str, delivery_id: str, as_json: bool, server: str | None) -> None:
    """Post an event again, under the same id."""
    path = f"/api/webhooks/{segment(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver"
    with connect(server) as client:
        delivery = client.post(path)
    if as_json:
        print_json(delivery)
    else:
        say(text("cli.redelivers", id=delivery["delivery_id"]))


def _attempted(client: ServiceClient, path: str, delivery_id: str) -> Json:
    """Return a delivery after its first attempt, or after a timeout in its current state."""
    end = time.monotonic() + _TEST_S
    while True:
        found = client.get(f"{path}/deliveries", limit=_MAX_DELIVERIES)
        delivery = next(one for one in found if one["delivery_id"] == delivery_id)
        if delivery["attempts"] or time.monotonic() > end:
            return delivery
        time.sleep(_POLL_S)


def _row(delivery: Json) -> list[object]:
    latest = delivery["attempts"][-1] if delivery["attempts"] else {}
    return [
        delivery["delivery_id"],
        delivery["event"],
        delivery["subject_id"],
        delivery["status"],
        delivery["attempt_count"],
        latest.get("error") or latest.get("status") or "",
        delivery["next_attempt_at"] or "",
    ]


def _print_issued(webhook: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    print_fields((name, _cell(value)) for name, value in webhook.items())
    click.echo(in_language(text("cli.keep_secret")), err=True)


def _print_changed(webhook: Json, change: Text, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
    else:
        say(change)


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
