from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.errors import ConcurrencyConflict, NotFound
from domain.sealed_secrets import SealedSecrets
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import WebhookStatus, WebhookTrigger
from domain.webhook_event import SUBSCRIBED, WebhookEvent
from tests.support.callers import a_caller
from tests.support.samples import LATER, NOW, a_delivery, a_webhook

ACME = a_caller("acme")
OTHER = a_caller("other")
FIRST, SECOND = ProjectId(1), ProjectId(2)


def add(store, **changes):
    webhook = a_webhook(**changes)
    store.run(lambda transaction: transaction.webhooks.add(webhook))
    return webhook


def get(store, webhook, caller=ACME):
    return store.run(lambda transaction: transaction.webhooks.get(caller, webhook.id))


def every(store, caller=ACME, **wanted):
    return store.run(lambda transaction: transaction.webhooks.all(caller, **wanted))


def change(store, before, after):
    store.run(lambda transaction: transaction.webhooks.replace(before, after))


def listening(store, project, tenant="acme"):
    name = TenantName(tenant)
    return {one.id for one in store.run(lambda t: t.webhooks.listening(name, project))}


def subscribers(store, limit=10):
    return store.run(lambda transaction: transaction.webhooks.subscribers_of_any_tenant(limit))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"project": SECOND, "events": frozenset(SUBSCRIBED)},
        {
            "status": WebhookStatus.DISABLED,
            "disabled_because": "The receiver answered 410 Gone. é",
            "failing_since": NOW,
            "previous_secret": SealedSecrets("k0", "old", "box"),
            "previous_until": LATER,
        },
    ],
)
def test_a_webhook_comes_back_as_it_was(store, changes):
    webhook = add(store, **changes)

    assert get(store, webhook) == webhook
    assert store.run(lambda t: t.webhooks.get_of_any_tenant(webhook.id)) == webhook


def test_a_caller_reaches_its_tenants_webhooks_or_one_projects(store):
    of_all, of_first = add(store), add(store, project=FIRST, created_at=LATER)

    assert every(store) == [of_all, of_first]
    assert every(store, project=FIRST) == [of_first]
    assert every(store, a_caller("acme", project=FIRST)) == [of_first]
    assert every(store, OTHER) == []
    assert get(store, of_all, OTHER) is None
    assert get(store, of_all, a_caller("acme", project=FIRST)) is None
    with pytest.raises(NotFound, match="webhook"):
        store.run(lambda t: t.webhooks.get_or_raise(OTHER, of_all.id))


def test_a_deleted_webhook_is_reached_and_counted_no_more(store):
    webhook, _kept = add(store), add(store)
    change(store, webhook, webhook.apply(WebhookTrigger.DELETE))

    assert get(store, webhook) is None
    assert store.run(lambda t: t.webhooks.count(TenantName("acme"))) == 1
    assert webhook.id not in listening(store, FIRST)


def test_only_active_webhooks_of_the_project_or_of_all_projects_listen(store):
    of_all, of_first = add(store), add(store, project=FIRST)
    add(store, project=SECOND)
    add(store, status=WebhookStatus.DISABLED)
    add(store, tenant=TenantName("other"))

    assert listening(store, FIRST) == {of_all.id, of_first.id}
    assert subscribers(store) == {
        (TenantName("acme"), None),
        (TenantName("acme"), FIRST),
        (TenantName("acme"), SECOND),
        (TenantName("other"), None),
    }
    assert len(subscribers(store, limit=3)) == 3


def test_a_change_is_stored_unless_another_came_first(store):
    webhook = add(store)
    disabled = replace(webhook.disable("It fails."), failing_since=NOW)
    change(store, webhook, disabled)

    assert get(store, webhook) == disabled
    with pytest.raises(ConcurrencyConflict):
        change_once(store, webhook, webhook.enable())


def change_once(store, before, after):
    """Try a change, which the in-memory store would repeat."""

    def work(transaction):
        try:
            transaction.webhooks.replace(before, after)
        except ConcurrencyConflict as error:
            return error
        return None

    if (error := store.run(work)) is not None:
        raise error


def test_a_rotated_secret_and_the_one_before_it_come_back(store):
    webhook = add(store)
    rotated = webhook.rotate(SealedSecrets("k2", "wrapped", "box"), NOW, timedelta(hours=1))
    change(store, webhook, rotated)

    assert get(store, webhook) == rotated
    assert rotated.secrets(NOW) == (rotated.secret, webhook.secret)
    assert rotated.secrets(NOW + timedelta(hours=1)) == (rotated.secret,)


def test_deleted_webhooks_go_with_their_deliveries_batch_by_batch(store):
    webhook, kept = add(store), add(store)
    deliveries = [a_delivery(webhook_id=webhook.id) for _ in range(3)]
    other = a_delivery(webhook_id=kept.id)
    store.run(lambda transaction: transaction.deliveries.add([*deliveries, other]))
    change(store, webhook, webhook.apply(WebhookTrigger.DELETE))

    removed = []
    while count := store.run(lambda t: t.webhooks.remove_deleted_of_any_tenant(2)):
        removed.append(count)

    assert removed == [2, 1, 1]
    assert store.run(lambda t: t.webhooks.get_of_any_tenant(webhook.id)) is None
    assert store.run(lambda t: t.deliveries.get(ACME, deliveries[0].id)) is None
    assert store.run(lambda t: t.deliveries.get(ACME, other.id)) is not None
    assert get(store, kept) == kept


def test_an_unknown_webhook_is_none(store):
    assert store.run(lambda t: t.webhooks.get_of_any_tenant(WebhookId(uuid4()))) is None


def test_a_webhook_is_of_events_that_there_are(store):
    webhook = add(store, events=frozenset({WebhookEvent.JOB_CANCELLED}))

    assert get(store, webhook).events == {WebhookEvent.JOB_CANCELLED}
