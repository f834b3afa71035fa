import base64
import hashlib
import hmac

import pytest
from pydantic import SecretStr

from entrypoints.http.webhook_signature import SignatureRefused, WebhookVerifier
from entrypoints.setting_types import webhook_key

NOW = 1_700_000_000
OLD, NEW = (
    base64.b64encode(name).decode()
    for name in (b"the old secret, long enough", b"the new secret, long enough")
)


def signed(body: bytes, secret: str = OLD, message_id: str = "msg_1", timestamp: int = NOW) -> dict[str, str]:
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def verifier(*secrets: str) -> WebhookVerifier:
    return WebhookVerifier([webhook_key(SecretStr(secret)) for secret in secrets], now=lambda: NOW)


def test_the_specifications_own_example_is_good():
    # Given the example of the specification's reference implementations
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    example = WebhookVerifier(
        [webhook_key(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))], now=lambda: 1_614_265_330
    )

    assert example.verify(headers, b'{"test": 2432232314}') == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_while_a_secret_is_replaced_both_are_good():
    rotating = verifier(NEW, OLD)

    assert rotating.verify(signed(b"{}", OLD), b"{}") == "msg_1"
    assert rotating.verify(signed(b"{}", NEW), b"{}") == "msg_1"


def test_one_good_signature_among_several_is_enough():
    headers = signed(b"{}")
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"

    assert verifier(OLD).verify(headers, b"{}") == "msg_1"


@pytest.mark.parametrize("drift_s", [-300, 0, 300])
def test_five_minutes_of_drift_are_allowed(drift_s):
    assert verifier(OLD).verify(signed(b"{}", timestamp=NOW + drift_s), b"{}")


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\xff\xe9"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-id": "x" * 257},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "\u0661"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-timestamp": str(NOW + 1)},
    ],
)
def test_a_header_that_was_changed_is_refused(changed):
    with pytest.raises(SignatureRefused):
        verifier(OLD).verify(signed(b"{}") | changed, b"{}")


@pytest.mark.parametrize("drift_s", [-301, 301])
def test_an_old_or_early_message_is_refused(drift_s):
    with pytest.raises(SignatureRefused, match="300 s before or after"):
        verifier(OLD).verify(signed(b"{}", timestamp=NOW + drift_s), b"{}")


def test_another_body_or_another_secret_is_refused():
    with pytest.raises(SignatureRefused):
        verifier(OLD).verify(signed(b"{}"), b"{} ")
    with pytest.raises(SignatureRefused):
        verifier(NEW).verify(signed(b"{}", OLD), b"{}")


def test_without_a_secret_nothing_is_taken():
    with pytest.raises(SignatureRefused, match="no webhook secret is configured"):
        verifier().verify(signed(b"{}"), b"{}")


@pytest.mark.parametrize("secret", ["", "whsec_", base64.b64encode(b"x" * 23).decode()])
def test_a_secret_that_is_empty_or_short_is_refused_at_the_start(secret):
    with pytest.raises(ValueError, match="at least 24 bytes"):
        verifier(secret)


def test_a_secret_that_is_not_base64_is_refused_at_the_start():
    with pytest.raises(ValueError, match="Base64"):
        verifier("whsec_not base64!")
