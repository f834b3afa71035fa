"""Subscriptions, and the attempts to post events to them."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.sealing.secret_sealer import AesGcmSealer
from application.commands import CreateWebhookCommand
from application.errors import Conflict, QuotaExceeded, SecretsUnavailable, Unprocessable
from application.ports.delivery_repository import DeliveryFilter
from application.receiver_lanes import ReceiverLanes
from application.webhook_writer import SUBSCRIBERS_KNOWN_S
from domain.caller import Scope
from domain.delivery import DeliveryStatus
from domain.errors import InvalidValue, ScopeMissing
from domain.quota import Quota
from domain.tenant import TenantName
from domain.webhook import WebhookStatus, WebhookTrigger
from domain.webhook_event import WebhookEvent
from domain.webhook_signing import signed_headers
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import MAX_WEBHOOKS, MAX_WEBHOOKS_OF_PROJECT, InMemoryService
from tests.support.memory.clock import MemoryClock
from tests.support.samples import a_delivery

URL = "https://hooks.example.com/in?token=1"
EVERY = frozenset({WebhookEvent.JOB_STARTED, WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_CANCELLED})


def subscribe(service, url=URL, events=EVERY, caller=ANONYMOUS, **changes):
    command = CreateWebhookCommand(url=url, events=events, **changes)
    issued = service.create_webhook(caller, command)
    service.clock.advance(SUBSCRIBERS_KNOWN_S)
    return issued.view.webhook


def run_all(service):
    """Attempt all deliveries that are due, until none is."""
    while claimed := service.deliver_webhooks.claim(10):
        for delivery in claimed:
            service.deliver_webhooks(delivery)


def bodies(service):
    return [json.loads(post.body) for post in service.receivers.posts]


def deliveries(service, webhook):
    return service.webhook_reader.deliveries(ANONYMOUS, webhook.id, DeliveryFilter(limit=100))


def run(service, **changed):
    job = service.start(**changed)
    service.run_execution()
    return job


def test_the_events_of_a_job_are_stored_with_them_and_posted_in_their_order(service):
    webhook = subscribe(service)
    job = run(service)

    run_all(service)

    assert [body["type"] for body in bodies(service)] == ["job.started", "job.completed"]
    assert {body["data"]["job_id"] for body in bodies(service)} == {str(job.job_id)}
    assert {one.status for one in deliveries(service, webhook)} == {DeliveryStatus.DELIVERED}


def test_an_event_of_a_project_without_subscriptions_takes_no_statement(service, monkeypatch):
    service.upload(project="another")
    subscribe(service, project="another")
    asked = Counter()
    for name in ("subscribers_of_any_tenant", "listening"):
        count(monkeypatch, service, name, asked)

    for _ in range(50):
        run(service)

    # The clock stands still: what was read once is known.
    assert asked == {"subscribers_of_any_tenant": 1}
    assert service.database.tables.deliveries == {}


def count(monkeypatch, service, name, asked):
    repository = type(service.unit_of_work.run(lambda transaction: transaction.webhooks))
    real = getattr(repository, name)

    def counted(self, *args):
        asked[name] += 1
        return real(self, *args)

    monkeypatch.setattr(repository, name, counted)


def test_another_process_knows_of_a_subscription_soon(service):
    # Given two processes that have looked for subscriptions, and found none
    other = service.process("worker-2")
    run(service)
    other.cancel_job(ANONYMOUS, service.upload().job_id)
    # When one makes a subscription, which is answered so much later
    webhook = subscribe(service)
    # Then the other has its events from then on
    other.cancel_job(ANONYMOUS, service.upload().job_id)
    assert [one.event for one in deliveries(service, webhook)] == [WebhookEvent.JOB_CANCELLED]


def test_a_caller_of_one_project_sees_deliveries_to_callbacks_and_webhooks_of_its_project(service):
    # Given a job with a callback, a webhook of its project and one of the whole tenant
    service.upload()
    of_tenant, of_project = subscribe(service), subscribe(service, project="demo")
    job = run(service, callback_url=URL)

    def seen_by(caller):
        return {one.webhook_id for one in service.webhook_reader.of_job(caller, job.job_id)}

    # Then a caller of that project sees nothing of the receiver that gets events of all projects
    assert seen_by(ANONYMOUS) == {None, of_tenant.id, of_project.id}
    assert seen_by(replace(ANONYMOUS, project=of_project.project)) == {None, of_project.id}


def test_where_there_are_very_many_subscribers_each_event_looks_for_its_own(service, monkeypatch):
    monkeypatch.setattr("application.webhook_writer._MAX_KNOWN", 0)
    webhook = subscribe(service)

    run(service)

    assert len(deliveries(service, webhook)) == 2


def test_a_failure_is_followed_by_attempts_at_longer_and_longer_intervals(service):
    service.receivers.answer = lambda _post: 500
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    run(service)
    waits = []
    for _ in range(4):
        run_all(service)
        (delivery,) = deliveries(service, webhook)
        waits.append((delivery.next_attempt_at - service.clock.now()) / timedelta(seconds=1))
        service.clock.advance(waits[-1])

    assert waits == pytest.approx([1, 2, 4, 8], abs=0.01)
    assert delivery.attempt_count == 4
    assert delivery.attempts[0].error == "The receiver answered 500."
    assert len({post.headers["webhook-id"] for post in service.receivers.posts}) == 1


def test_an_event_that_fails_for_a_day_is_a_dead_letter(service):
    service.receivers.answer = lambda _post: "The receiver cannot be reached."
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    run(service)
    attempts = 0
    while deliveries(service, webhook)[0].status is DeliveryStatus.PENDING:
        run_all(service)
        attempts += 1
        service.clock.advance(60)

    (dead,) = deliveries(service, webhook)
    assert dead.status is DeliveryStatus.FAILED
    assert dead.settled_at - dead.attempts[0].at >= timedelta(0)
    assert attempts >= 24 * 60
    assert dead.attempts[-1].error == "The receiver cannot be reached."


def test_a_subscription_that_fails_for_three_days_is_disabled_and_that_is_recorded(service):
    service.receivers.answer = lambda _post: 500
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    for _ in range(4):
        run(service)
        run_all(service)
        service.clock.advance(25 * 3_600)
    run_all(service)

    shown = service.webhook_reader.get(ANONYMOUS, webhook.id).webhook
    assert shown.status is WebhookStatus.DISABLED
    run_all(service)
    assert {one.status for one in deliveries(service, webhook)} == {DeliveryStatus.FAILED}
    acts = [(entry.act, entry.principal) for entry in service.database.tables.audit_journal.values()]
    assert ("webhook.disable", "service") in acts


def test_a_success_of_another_event_ends_the_failure(service):
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    service.receivers.answer = lambda _post: 500
    run(service)
    run_all(service)
    assert service.webhook_reader.get(ANONYMOUS, webhook.id).webhook.failing_since is not None
    service.receivers.answer = lambda _post: 200
    run(service)

    run_all(service)

    assert service.webhook_reader.get(ANONYMOUS, webhook.id).webhook.failing_since is None


def test_what_a_killed_process_has_claimed_is_posted_when_its_lease_ends(service):
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    run(service)
    killed = service.process("worker-2").deliver_webhooks
    (claimed,) = killed.claim(10)
    run_all(service)
    assert service.receivers.posts == []

    service.clock.advance(31)
    run_all(service)

    assert len(service.receivers.posts) == 1
    # Its outcome comes late, and is that of another claim.
    killed(claimed)
    (delivery,) = deliveries(service, webhook)
    assert delivery.attempt_count == 1
    assert len({post.headers["webhook-id"] for post in service.receivers.posts}) == 1


def test_the_callback_of_a_deleted_job_is_given_up(service):
    service.receivers.answer = lambda _post: 500
    job = run(service, callback_url=URL)
    run_all(service)
    service.delete_job(ANONYMOUS, job.job_id)
    service.clock.advance(10)

    run_all(service)

    assert service.database.tables.deliveries == {}


def test_a_job_that_runs_again_has_its_callback_with_the_same_secret(service):
    first = service.upload(callback_url=URL, execute=True)
    service.run_execution()
    assert first.callback_secret is not None
    again = service.run_again(ANONYMOUS, first.job_id)
    assert again.callback_secret is None
    service.run_execution()

    run_all(service)

    assert len(service.receivers.posts) == 2
    for post in service.receivers.posts:
        message_id, timestamp = post.headers["webhook-id"], int(post.headers["webhook-timestamp"])
        assert post.headers == signed_headers([first.callback_secret], message_id, timestamp, post.body)


def test_without_a_key_to_seal_with_subscriptions_and_callbacks_are_refused():
    service = InMemoryService(sealer=AesGcmSealer({}))

    with pytest.raises(Unprocessable, match="SERVICE_SERVER_SEALING_KEYS") as refusal:
        subscribe(service)
    assert refusal.value.field == "url"
    with pytest.raises(Unprocessable, match="SERVICE_SERVER_SEALING_KEYS") as refusal:
        service.upload(callback_url=URL)
    assert refusal.value.field == "callback_url"
    assert not isinstance(refusal.value, SecretsUnavailable)


def test_a_process_without_the_sealing_key_has_the_event_attempted_again(service):
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    run(service)
    other = service.process("worker-2", sealer=AesGcmSealer({"other": bytes(32)})).deliver_webhooks
    (claimed,) = other.claim(10)
    assert other(claimed) is not None

    (delivery,) = deliveries(service, webhook)
    assert delivery.status is DeliveryStatus.PENDING
    assert "SERVICE_SERVER_SEALING_KEYS" in delivery.attempts[0].error


def test_events_that_were_not_posted_are_no_failures_of_their_receiver(service, monkeypatch):
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    for _ in range(12):
        run(service)
    real = type(service.queries).details
    monkeypatch.setattr(type(service.queries), "details", lambda *_: None)
    run_all(service)
    assert {one.attempts[0].error for one in deliveries(service, webhook)} == {"The job was deleted."}
    assert service.receivers.posts == []
    assert service.webhook_reader.get(ANONYMOUS, webhook.id).webhook.failing_since is None
    # Nor is the receiver left alone for them.
    monkeypatch.setattr(type(service.queries), "details", real)
    run(service)
    run_all(service)
    assert len(service.receivers.posts) == 1


def test_a_subscription_takes_the_right_to_read_jobs(service):
    caller = replace(ANONYMOUS, scopes=frozenset({Scope.PROJECTS_WRITE}))

    with pytest.raises(ScopeMissing, match="jobs:read"):
        subscribe(service, caller=caller)


def test_a_tenant_has_a_bounded_number_of_subscriptions(service):
    for number in range(MAX_WEBHOOKS):
        service.create_project(ANONYMOUS, f"of {number}", None)
        webhook = subscribe(service, project=f"of {number}")
    with pytest.raises(Conflict, match="SERVICE_SERVER_MAX_WEBHOOKS "):
        subscribe(service)
    service.change_webhook(ANONYMOUS, webhook.id, WebhookTrigger.DELETE)
    subscribe(service)
    limited = replace(ANONYMOUS, tenant=replace(ANONYMOUS.tenant, quota=Quota(webhooks=2)))
    with pytest.raises(QuotaExceeded, match="webhooks"):
        subscribe(service, caller=limited)


def test_the_events_of_a_project_have_few_receivers(service):
    for name in ("one", "other"):
        service.create_project(ANONYMOUS, name, None)
    for _ in range(MAX_WEBHOOKS_OF_PROJECT - 1):
        of_one = subscribe(service, project="one")
    of_all = subscribe(service)

    for project in ("one", None):
        with pytest.raises(Conflict, match=r"4 webhooks .* SERVICE_SERVER_MAX_WEBHOOKS_OF_PROJECT"):
            subscribe(service, project=project)
    service.change_webhook(ANONYMOUS, of_one.id, WebhookTrigger.DISABLE)
    with pytest.raises(Conflict):  # it may be enabled again
        subscribe(service, project="one")
    subscribe(service, project="other")
    service.change_webhook(ANONYMOUS, of_all.id, WebhookTrigger.DELETE)
    subscribe(service, project="one")


def test_private_urls_are_refused(service):
    with pytest.raises(InvalidValue, match="url"):
        subscribe(service, url="http://10.0.0.1/")
    with pytest.raises(InvalidValue, match="callback_url"):
        service.upload(callback_url="http://[::1]/")


def test_a_rotated_secret_is_another(service):
    webhook = subscribe(service)

    issued = service.rotate_webhook(ANONYMOUS, webhook.id, 60)

    assert issued.view.webhook.previous_secret == webhook.secret
    for overlap in (-1, 10**9):
        with pytest.raises(InvalidValue, match="overlap_s"):
            service.rotate_webhook(ANONYMOUS, webhook.id, overlap)


def test_an_event_that_cannot_be_written_is_recorded_as_failed(service, monkeypatch):
    webhook = subscribe(service, events=frozenset({WebhookEvent.JOB_COMPLETED}))
    run(service)
    monkeypatch.setattr(type(service.queries), "details", lambda *_: 1 / 0)

    run_all(service)

    (delivery,) = deliveries(service, webhook)
    assert "could not be written" in delivery.attempts[0].error


@pytest.fixture
def lanes():
    clock = MemoryClock()
    lanes = ReceiverLanes(clock, threads=16, per_receiver=4)
    lanes.clock = clock
    return lanes


def to(receiver, tenant="acme"):
    return a_delivery(receiver=receiver, tenant=TenantName(tenant))


def test_a_receiver_has_room_for_a_few_at_once(lanes):
    first = to("a")
    for delivery in (first, to("a"), to("b")):
        lanes.begin(delivery)

    assert lanes.claim(16, 30).room == {"a": 2, "b": 3}
    lanes.end(first, took_s=0.1, is_success=True)
    assert lanes.claim(16, 30).room == {"a": 3, "b": 3}


def test_a_tenant_has_room_for_half(lanes):
    for number in range(8):
        lanes.begin(to(str(number)))

    wanted = lanes.claim(16, 30)

    assert wanted.per_tenant == 8
    assert wanted.tenant_room == {"acme": 0}


def test_slow_receivers_together_have_a_quarter_and_one_event_each(lanes):
    for number in range(20):
        slow = to(str(number), tenant=f"t{number}")
        lanes.begin(slow)
        lanes.end(slow, took_s=4.9, is_success=False)

    room = lanes.claim(16, 30).room

    assert Counter(room.values()) == {1: 4, 0: 16}
    for name in [name for name, left in room.items() if left][:3]:
        lanes.begin(to(name, tenant=f"t{name}"))
    assert Counter(lanes.claim(16, 30).room.values())[1] == 1


def test_there_is_room_for_one_more_tenant(lanes):
    for number in range(7):
        for _ in range(2):
            lanes.begin(to(f"{number}", tenant=f"t{number}"))

    wanted = lanes.claim(2, 30)

    assert wanted.per_tenant == 2
    assert wanted.tenant_room == {f"t{number}": 0 for number in range(7)}


def test_a_tenant_of_many_slow_receivers_leaves_room_for_a_slow_one_of_another(lanes):
    for tenant, count in (("many", 300), ("one", 1)):
        for number in range(count):
            slow = to(f"{tenant} {number}", tenant=tenant)
            lanes.begin(slow)
            lanes.end(slow, took_s=0.6, is_success=True)
    for number in range(3):
        lanes.begin(to(f"many {number}", tenant="many"))

    room = lanes.claim(16, 30).room

    assert [name for name, left in room.items() if left > 0] == ["one 0"]


def test_a_receiver_that_fails_ten_times_in_a_row_is_left_alone_for_a_while(lanes):
    def fail():
        delivery = to("a")
        lanes.begin(delivery)
        lanes.end(delivery, took_s=0.01, is_success=False)

    for _ in range(9):
        fail()
    assert lanes.claim(16, 30).room == {"a": 4}
    fail()
    assert lanes.claim(16, 30).room == {"a": 0}
    lanes.clock.advance(1)
    assert lanes.claim(16, 30).room == {"a": 1}
    fail()
    lanes.clock.advance(1)
    assert lanes.claim(16, 30).room == {"a": 0}
    lanes.clock.advance(1)
    trial = to("a")
    lanes.begin(trial)
    assert lanes.claim(16, 30).room == {"a": 0}
    lanes.end(trial, took_s=0.01, is_success=True)
    assert lanes.claim(16, 30).room == {}


def test_few_receivers_are_remembered(lanes, monkeypatch):
    monkeypatch.setattr("application.receiver_lanes._MAX_REMEMBERED", 3)
    for number in range(10):
        delivery = to(str(number))
        lanes.begin(delivery)
        lanes.end(delivery, took_s=1, is_success=False)

    assert len(lanes.claim(16, 30).room) <= 4
