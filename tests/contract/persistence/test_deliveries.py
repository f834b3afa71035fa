import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from uuid import uuid4

import pytest

from application.errors import NotFound
from application.lists import Cursor
from application.ports.delivery_repository import DeliveryClaim, DeliveryFilter
from domain.delivery import Attempt, DeliveryId, DeliveryStatus
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import WebhookStatus
from domain.webhook_event import WebhookEvent
from tests.support.callers import a_caller
from tests.support.samples import LATER, NOW, a_delivery, a_job, a_webhook

ACME = a_caller("acme")
DAY = timedelta(days=1)
FAILED = Attempt(at=NOW, duration_ms=12, status=500, error="The receiver answered 500.", answer="oops é")
SUCCEEDED = Attempt(at=LATER, duration_ms=3, status=204)


def add(store, *deliveries):
    store.run(lambda transaction: transaction.deliveries.add(deliveries))
    return deliveries


def claim(store, limit=10, per_receiver=10, per_tenant=40, lease_s=30.0, **bounds):
    wanted = DeliveryClaim(
        limit=limit, per_receiver=per_receiver, per_tenant=per_tenant, lease_s=lease_s, **bounds
    )
    return store.run(lambda transaction: transaction.deliveries.claim(wanted))


def attempt(store, claimed, made, due_in_s=0.0):
    after = claimed.after(made, DAY)
    return store.run(lambda transaction: transaction.deliveries.store_attempt(claimed, after, due_in_s))


def get(store, delivery, caller=ACME):
    return store.run(lambda transaction: transaction.deliveries.get(caller, delivery.id))


def of_subject(store, caller, subject, limit=10):
    return store.run(lambda transaction: transaction.deliveries.of_subject(caller, subject, limit))


def ids(deliveries):
    return [delivery.id for delivery in deliveries]


def has_due(store):
    return store.run(lambda transaction: transaction.deliveries.has_due())


def test_a_delivery_comes_back_as_it_was_and_is_due_at_once(store):
    assert not has_due(store)
    (delivery,) = add(store, a_delivery(project=ProjectId(3)))

    assert has_due(store)
    found = get(store, delivery)
    assert found.next_attempt_at is not None
    assert replace(found, next_attempt_at=None) == delivery


def test_a_claimed_delivery_is_due_again_when_its_lease_ends(store):
    (delivery,) = add(store, a_delivery())

    assert ids(claim(store, lease_s=30)) == [delivery.id]
    assert claim(store) == []
    assert not has_due(store)
    store.pass_time(31)
    assert ids(claim(store)) == [delivery.id]


def test_an_arrived_delivery_is_settled(store):
    add(store, a_delivery())
    (claimed,) = claim(store)

    assert attempt(store, claimed, SUCCEEDED)

    found = get(store, claimed)
    assert found.status is DeliveryStatus.DELIVERED
    assert (found.attempts, found.attempt_count, found.settled_at) == ((SUCCEEDED,), 1, LATER)
    assert found.next_attempt_at is None
    store.pass_time(100)
    assert claim(store) == []


def test_a_failed_attempt_is_recorded_and_the_next_one_is_due_later(store):
    add(store, a_delivery())
    (claimed,) = claim(store)

    assert attempt(store, claimed, FAILED, due_in_s=60)

    assert claim(store) == []
    store.pass_time(61)
    (again,) = claim(store)
    assert (again.attempts, again.attempt_count, again.retry_until) == ((FAILED,), 1, NOW + DAY)
    assert again.id == claimed.id


def test_the_outcome_of_a_lease_that_another_has_taken_over_is_not_stored(store):
    add(store, a_delivery())
    (late,) = claim(store, lease_s=1)
    store.pass_time(2)
    (claimed,) = claim(store)

    assert not attempt(store, late, FAILED)
    assert attempt(store, claimed, SUCCEEDED)
    assert not attempt(store, claimed, FAILED)
    assert get(store, claimed).attempts == (SUCCEEDED,)


def test_a_later_event_of_a_job_waits_for_the_earlier_one_to_the_same_receiver(store):
    # Given the end of a job, stored before its start, and the end to another receiver
    subject = uuid4()
    end = a_delivery(subject=subject, event=WebhookEvent.JOB_COMPLETED)
    start = a_delivery(subject=subject, event=WebhookEvent.JOB_STARTED)
    elsewhere = a_delivery(subject=subject, event=WebhookEvent.JOB_COMPLETED, receiver="another")
    add(store, end, start, elsewhere)

    first = claim(store)
    assert set(ids(first)) == {start.id, elsewhere.id}
    # When the start fails, then the end still waits
    (started,) = [one for one in first if one.id == start.id]
    attempt(store, started, FAILED)
    (started,) = claim(store)
    assert started.id == start.id
    # And when it arrives, the end is due
    attempt(store, started, SUCCEEDED)
    assert ids(claim(store)) == [end.id]


def test_the_longest_due_comes_first(store):
    deliveries = []
    for _ in range(3):
        deliveries += add(store, a_delivery())
        store.pass_time(1)

    assert ids(claim(store, limit=2)) == ids(deliveries[:2])


def test_no_more_is_claimed_of_a_receiver_than_it_has_room_for(store):
    add(store, *(a_delivery(receiver=name) for name in "aaaabbbb"), a_delivery(receiver="full"))

    claimed = claim(store, per_receiver=2, room={"b": 1, "full": 0})

    assert Counter(one.receiver for one in claimed) == {"a": 2, "b": 1}


def test_no_more_is_claimed_of_a_tenant_than_it_has_room_for(store):
    names = ("acme", "acme", "acme", "busy", "other", "other")
    add(store, *(a_delivery(tenant=TenantName(name), receiver=str(n)) for n, name in enumerate(names)))

    claimed = claim(store, per_tenant=2, tenant_room={"busy": 0, "other": 1})

    assert Counter(one.tenant.value for one in claimed) == {"acme": 2, "other": 1}


def test_of_many_who_claim_at_once_each_delivery_falls_to_one(store):
    added = [a_delivery(receiver=str(number)) for number in range(40)]
    add(store, *added)
    units = [store.another() for _ in range(4)]
    barrier = threading.Barrier(len(units))

    def take_all(unit):
        barrier.wait()
        taken = []
        wanted = DeliveryClaim(limit=3, per_receiver=1, per_tenant=3, lease_s=300)
        while batch := unit.run(lambda transaction: transaction.deliveries.claim(wanted)):
            taken += batch
        return taken

    with ThreadPoolExecutor(len(units)) as threads:
        taken = list(chain.from_iterable(threads.map(take_all, units)))

    # A claim that found nothing may have stepped over what another was about to take.
    taken += claim(store, limit=40)
    assert sorted(ids(taken)) == sorted(ids(added))


def test_a_dead_letter_is_due_again_when_it_is_redelivered(store):
    add(store, a_delivery())
    (claimed,) = claim(store)
    attempt(store, claimed, replace(FAILED, status=410))
    dead = get(store, claimed)
    assert dead.status is DeliveryStatus.FAILED

    store.run(lambda transaction: transaction.deliveries.redeliver(dead))

    (again,) = claim(store)
    assert (again.status, again.retry_until, again.settled_at) == (DeliveryStatus.PENDING, None, None)
    assert again.attempts == dead.attempts
    assert not attempt(store, claimed, SUCCEEDED)


def test_deliveries_to_a_webhook_are_listed_newest_first_and_by_pages(store):
    webhook_id = WebhookId(uuid4())
    added = [
        a_delivery(webhook_id=webhook_id, occurred_at=NOW + timedelta(seconds=number)) for number in range(4)
    ]
    add(store, *added, a_delivery())
    newest_first = ids(reversed(added))

    def listed(**wanted):
        wanted = DeliveryFilter(**{"limit": 10, **wanted})
        return store.run(lambda transaction: transaction.deliveries.of_webhook(webhook_id, wanted))

    assert ids(listed()) == newest_first
    first = listed(limit=3)
    assert ids(first) == newest_first[:3]
    assert ids(listed(cursor=Cursor(first[-1].occurred_at, first[-1].id))) == newest_first[3:]
    assert listed(status=DeliveryStatus.FAILED) == []
    assert len(listed(status=DeliveryStatus.PENDING)) == 4


def test_deliveries_about_a_job_are_its_tenants_alone(store):
    subject = uuid4()
    webhook = a_webhook(project=ProjectId(1))
    store.run(lambda transaction: transaction.webhooks.add(webhook))
    (delivery,) = add(store, a_delivery(subject=subject, project=ProjectId(1), webhook_id=webhook.id))

    def about(caller):
        return ids(of_subject(store, caller, subject))

    assert about(ACME) == [delivery.id]
    assert about(a_caller("acme", project=ProjectId(1))) == [delivery.id]
    assert about(a_caller("acme", project=ProjectId(2))) == []
    assert about(a_caller("other")) == []
    assert get(store, delivery, a_caller("other")) is None
    with pytest.raises(NotFound, match="delivery"):
        store.run(lambda t: t.deliveries.get_or_raise(ACME, DeliveryId(uuid4())))


def test_a_limit_counts_only_deliveries_that_the_caller_of_a_project_sees(store):
    # Given a callback and deliveries to webhooks of a project, and more newer ones to other webhooks
    mine, theirs, of_tenant = (a_webhook(project=project) for project in (ProjectId(1), ProjectId(2), None))
    deleted = a_webhook(project=ProjectId(1), status=WebhookStatus.DELETED)
    for webhook in (mine, theirs, of_tenant, deleted):
        store.run(lambda transaction, webhook=webhook: transaction.webhooks.add(webhook))
    subject, limit = uuid4(), 5

    def to(webhook_id, at_s):
        return a_delivery(
            subject=subject,
            project=ProjectId(1),
            webhook_id=webhook_id,
            occurred_at=NOW + timedelta(seconds=at_s),
        )

    seen = add(store, *(to(id_, at_s) for at_s, id_ in enumerate((mine.id, None, deleted.id))))
    hidden = (of_tenant.id, theirs.id, WebhookId(uuid4()))
    add(store, *(to(id_, 10 + number) for id_ in hidden for number in range(limit)))

    found = of_subject(store, a_caller("acme", project=ProjectId(1)), subject, limit)

    assert ids(found) == ids(reversed(seen))
    assert ids(of_subject(store, a_caller("acme", project=ProjectId(1)), subject, 1)) == [seen[-1].id]
    assert len(of_subject(store, ACME, subject, 100)) == len(seen) + len(hidden) * limit


def test_settled_deliveries_are_forgotten_after_a_time(store):
    add(store, a_delivery(), a_delivery())
    arrived, _pending = claim(store)
    attempt(store, arrived, SUCCEEDED)

    def forget(before):
        return store.run(lambda transaction: transaction.deliveries.forget_of_any_tenant(before, 10))

    assert forget(LATER) == 0
    assert forget(LATER + timedelta(seconds=1)) == 1
    assert get(store, arrived) is None


def test_the_deliveries_about_a_job_go_with_it(store):
    job = a_job(store)
    about, other = add(store, a_delivery(subject=job.id), a_delivery())

    store.run(lambda transaction: transaction.purges.remove_job(job))

    assert get(store, about) is None
    assert get(store, other) is not None
