from dataclasses import replace
from datetime import timedelta

import pytest

from domain.delivery import MAX_ATTEMPTS_KEPT, Attempt, DeliveryStatus
from domain.errors import InvalidValue, WebhookTransitionRefused
from domain.sealed_secrets import SealedSecrets
from domain.webhook import WebhookStatus
from domain.webhook_event import SUBSCRIBED, WebhookEvent
from domain.webhook_signing import WebhookSecret, signature, signed_headers
from tests.support.samples import LATER, NOW, a_delivery, a_webhook

DAY = timedelta(days=1)


def failed(at=NOW, status=500):
    return Attempt(at=at, duration_ms=1, status=status, error="The receiver answered.")


def succeeded(at=NOW):
    return Attempt(at=at, duration_ms=1, status=200)


def test_an_event_that_arrived_is_delivered():
    delivery = a_delivery().after(succeeded(LATER), DAY)

    assert (delivery.status, delivery.settled_at) == (DeliveryStatus.DELIVERED, LATER)


def test_an_event_is_attempted_for_a_day_from_its_first_attempt_on():
    delivery = a_delivery().after(failed(NOW), DAY)
    assert delivery.status is DeliveryStatus.PENDING

    late = delivery.after(failed(NOW + DAY - timedelta(seconds=1)), DAY)
    assert late.status is DeliveryStatus.PENDING
    assert late.after(failed(NOW + DAY), DAY).status is DeliveryStatus.FAILED


def test_a_receiver_that_is_gone_gets_no_second_attempt():
    assert a_delivery().after(failed(status=410), DAY).status is DeliveryStatus.FAILED


def test_the_latest_attempts_are_kept_and_all_are_counted():
    delivery = a_delivery()
    for number in range(MAX_ATTEMPTS_KEPT + 10):
        delivery = delivery.after(replace(failed(), duration_ms=number), DAY)

    assert delivery.attempt_count == MAX_ATTEMPTS_KEPT + 10
    assert [attempt.duration_ms for attempt in delivery.attempts] == list(range(10, MAX_ATTEMPTS_KEPT + 10))


def test_a_dead_letter_that_is_redelivered_has_another_day():
    dead = a_delivery().after(failed(status=410), DAY)

    again = dead.again()

    assert (again.status, again.retry_until, again.settled_at) == (DeliveryStatus.PENDING, None, None)
    assert again.attempts == dead.attempts


def test_the_start_of_a_job_comes_before_its_end():
    positions = {event: a_delivery(event=event).position for event in SUBSCRIBED}

    assert positions.pop(WebhookEvent.JOB_STARTED) < min(positions.values())


def test_a_webhook_that_fails_for_long_is_disabled_and_a_success_begins_anew():
    webhook = a_webhook()
    failing = webhook.after(failed(NOW), DAY)
    assert (failing.status, failing.failing_since) == (WebhookStatus.ACTIVE, NOW)
    assert failing.after(succeeded(), DAY) == webhook

    disabled = failing.after(failed(NOW + DAY), DAY)

    assert disabled.status is WebhookStatus.DISABLED
    assert "24 hours" in disabled.disabled_because
    with pytest.raises(WebhookTransitionRefused, match="DISABLED"):
        disabled.ensure_active()
    assert disabled.enable() == webhook


def test_a_webhook_whose_receiver_is_gone_is_disabled_at_once():
    disabled = a_webhook().after(failed(status=410), DAY)

    assert disabled.status is WebhookStatus.DISABLED
    assert "410" in disabled.disabled_because


def test_a_success_leaves_a_webhook_as_it_is():
    webhook = a_webhook()

    assert webhook.after(succeeded(), DAY) is webhook


@pytest.mark.parametrize("events", [(), ("webhook.test",), ("job.started", "webhook.test")])
def test_a_webhook_is_of_events_of_jobs_and_batches(events):
    with pytest.raises(InvalidValue, match="events"):
        a_webhook(events=frozenset(map(WebhookEvent, events)))


def test_both_secrets_sign_while_one_replaces_the_other():
    webhook = a_webhook()
    new = SealedSecrets("k2", "w", "b")
    rotated = webhook.rotate(new, NOW, timedelta(hours=1))

    assert rotated.secrets(NOW) == (new, webhook.secret)
    assert rotated.secrets(NOW + timedelta(hours=1)) == (new,)


def test_a_signature_is_as_the_specification_has_it():
    # The example of the specification's reference implementations.
    secret = WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signed = signature(secret.key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_has_a_signature_for_each_secret():
    secrets = [WebhookSecret.generate() for _ in range(2)]

    headers = signed_headers(secrets, "id", 12, b"body")

    assert headers["webhook-id"] == "id"
    assert headers["webhook-timestamp"] == "12"
    assert headers["webhook-signature"].split(" ") == [
        signature(secret.key, "id", "12", b"body") for secret in secrets
    ]


def test_a_secret_is_not_shown_by_accident():
    secret = WebhookSecret.generate()

    assert secret.value not in repr(secret)
    assert len(secret.key) == 32


@pytest.mark.parametrize(
    "text",
    [
        *("", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"),
        *("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", "whsec_" + "A" * 88, "whsec_é" + "A" * 43),
    ],
)
def test_another_text_is_no_secret(text):
    with pytest.raises(InvalidValue, match="callback_secret") as error:
        WebhookSecret(text)
    assert not text or text not in str(error.value) or text == "whsec_"
