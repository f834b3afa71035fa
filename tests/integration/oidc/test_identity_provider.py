"""Signing in at an identity provider, and the answers of one that are forged, replayed or broken."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters.oidc.identity_provider import OidcIdentityProvider
from adapters.system.clock import SystemClock
from application.errors import DependencyUnavailable, SignInRefused
from application.ports.identity_provider import Identity, ProviderAnswer, SignInAttempt
from tests.support.certificate import over_tls, self_signed
from tests.support.memory.clock import MemoryClock
from tests.support.processes import eventually
from tests.support.scripted_http import Answer, scripted_server
from tests.support.scripted_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    ScriptedProvider,
    new_key,
    scripted_provider,
)

REDIRECT = "https://service.example.com/dashboard/sign-in/return"
ATTEMPT = SignInAttempt("a" * 43)


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.fixture
def client(provider: ScriptedProvider) -> OidcIdentityProvider:
    return client_of(provider)


def client_of(provider: ScriptedProvider, **changed: object) -> OidcIdentityProvider:
    return OidcIdentityProvider(
        **{
            "issuer": provider.address,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes": ("openid", "email"),
            "redirect_uri": REDIRECT,
            "clock": SystemClock(),
            **changed,
        }
    )


def asked_of(client: OidcIdentityProvider, attempt: SignInAttempt = ATTEMPT) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(client.sign_in_url(attempt)).query))


def answered(provider: ScriptedProvider, client: OidcIdentityProvider, **changed: str) -> ProviderAnswer:
    """Sign in at the provider, and return its answer."""
    given = dict(parse_qsl(urlsplit(provider.authorize(asked_of(client))).query))
    answer = {"state": given["state"], "code": given["code"], "issuer": given.get("iss", "")}
    return ProviderAnswer(**{**answer, **changed})


def sign_in(provider: ScriptedProvider, client: OidcIdentityProvider) -> Identity:
    return client.identify(ATTEMPT, answered(provider, client))


def refused(provider: ScriptedProvider, client: OidcIdentityProvider) -> str:
    with pytest.raises(SignInRefused) as caught:
        sign_in(provider, client)
    return str(caught.value)


def test_the_visitor_is_sent_to_the_provider_with_state_nonce_and_challenge(client: OidcIdentityProvider):
    asked = asked_of(client)

    assert asked["response_type"] == "code"
    assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT_ID, REDIRECT)
    assert asked["scope"] == "openid email"
    assert asked["code_challenge_method"] == "S256"
    secrets = {asked["state"], asked["nonce"], asked["code_challenge"], ATTEMPT.verifier, ATTEMPT.secret}
    assert len(secrets) == 5
    assert ATTEMPT.verifier not in asked.values()
    assert ATTEMPT.secret not in repr(ATTEMPT)


def test_two_attempts_share_nothing(client: OidcIdentityProvider):
    one, other = asked_of(client), asked_of(client, SignInAttempt("b" * 43))

    assert {one[name] for name in ("state", "nonce", "code_challenge")}.isdisjoint(other.values())


def test_a_code_is_exchanged_for_the_identity(provider: ScriptedProvider, client: OidcIdentityProvider):
    provider.user = {"sub": "7", "email": "seven@example.com", "tenant": "acme"}

    identity = sign_in(provider, client)

    assert (identity.subject, identity.name) == ("7", "seven@example.com")
    assert identity.claims["tenant"] == "acme"
    assert provider.requests == [
        "GET /.well-known/openid-configuration",
        "POST /token",
        "GET /keys",
    ]


def test_a_mail_address_that_is_not_verified_is_not_shown(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.user |= {"email_verified": False, "name": "N\x1b\u202e"}

    assert sign_in(provider, client).name == "N\ufffd\ufffd"


def test_a_public_client_has_no_secret(provider: ScriptedProvider):
    assert sign_in(provider, client_of(provider, client_secret=None)).subject == "1"


def test_a_new_key_of_the_provider_is_read_at_once(provider: ScriptedProvider, client: OidcIdentityProvider):
    sign_in(provider, client)
    provider.rotate()

    assert sign_in(provider, client).subject == "1"
    assert provider.requests.count("GET /keys") == 2


def test_a_key_that_the_provider_does_not_publish_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.signing_key = new_key()

    assert "the identity token is not valid" in refused(provider, client)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "kid": "another"},
        {"kty": "RSA", "kid": "another", "n": "AQAB"},
        {"kty": "RSA", "kid": "another", "n": "AQAB", "e": "AQAB", "key_ops": ["prove"]},
        {"kty": ["RSA"], "kid": "another"},
        {"kid": "another"},
        "another",
    ],
)
def test_a_key_of_a_kind_that_is_not_known_keeps_no_visitor_out(
    provider: ScriptedProvider, client: OidcIdentityProvider, key: object
):
    provider.foreign_keys = [key]

    assert sign_in(provider, client).subject == "1"


def test_a_provider_without_usable_keys_is_unavailable(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.published, provider.foreign_keys = [], [{"kid": "another"}]

    with pytest.raises(DependencyUnavailable, match="no usable keys"):
        sign_in(provider, client)


def test_a_signature_by_another_key_under_a_known_name_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.token_header = {"kid": provider.signing_key.kid}
    provider.signing_key = new_key()

    assert "the identity token is not valid" in refused(provider, client)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_the_providers_own_signature_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider, algorithm: str
):
    provider.token_header = {"alg": algorithm}

    assert "the identity token is not valid" in refused(provider, client)


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"iss": "https://evil.example.com"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another client"}, "aud"),
        ({"aud": ["another client"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": [CLIENT_ID, "another client"]}, "azp"),
        ({"aud": [CLIENT_ID, "another client"], "azp": "another client"}, "azp"),
        ({"nonce": "of another sign-in"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"iat": time.time() + 3_600}, "iat"),
        ({"nbf": time.time() + 3_600}, "nbf"),
        ({"at_hash": "of another access token"}, "at_hash"),
    ],
)
def test_a_token_for_others_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider, claims: dict[str, object], fault: str
):
    provider.token_claims = claims

    assert refused(provider, client) == f"the identity token is not valid: {fault}"


def test_an_expired_token_is_refused(provider: ScriptedProvider, client: OidcIdentityProvider):
    provider.token_claims = {"exp": int(time.time()) - 61}

    assert "has expired" in refused(provider, client)


@pytest.mark.parametrize("state", ["", "x", "0" * 64, "ü"])
def test_an_answer_with_another_state_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider, state: str
):
    answer = answered(provider, client, state=state)
    with pytest.raises(SignInRefused, match="does not belong to this sign-in"):
        client.identify(ATTEMPT, answer)
    assert "POST /token" not in provider.requests


def test_an_answer_to_the_sign_in_of_another_browser_is_refused(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    answer = answered(provider, client)

    with pytest.raises(SignInRefused):
        client.identify(SignInAttempt("b" * 43), answer)


def test_a_code_of_another_attempt_is_refused(provider: ScriptedProvider, client: OidcIdentityProvider):
    stolen = answered(provider, client).code
    mine = SignInAttempt("b" * 43)

    with pytest.raises(SignInRefused, match="invalid_grant"):
        client.identify(mine, ProviderAnswer(state=mine.state, code=stolen))


def test_a_code_is_good_once(provider: ScriptedProvider, client: OidcIdentityProvider):
    answer = answered(provider, client)
    client.identify(ATTEMPT, answer)

    with pytest.raises(SignInRefused, match="invalid_grant"):
        client.identify(ATTEMPT, answer)


def test_the_answer_of_another_provider_is_refused(provider: ScriptedProvider, client: OidcIdentityProvider):
    provider.answer = {"iss": "https://evil.example.com"}

    assert "another identity provider" in refused(provider, client)
    assert "POST /token" not in provider.requests


def test_a_provider_that_promises_its_name_has_to_give_it(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.description = {"authorization_response_iss_parameter_supported": True}
    assert "another identity provider" in refused(provider, client)

    provider.answer = {"iss": provider.address}
    assert sign_in(provider, client).subject == "1"


def test_a_refusal_of_the_provider_is_said(provider: ScriptedProvider, client: OidcIdentityProvider):
    answer = answered(provider, client, code="", error="access_denied" + "x" * 1_000)

    with pytest.raises(SignInRefused, match="refused the sign-in: access_denied") as caught:
        client.identify(ATTEMPT, answer)
    assert len(str(caught.value)) < 200


def test_an_answer_without_a_code_is_refused(provider: ScriptedProvider, client: OidcIdentityProvider):
    with pytest.raises(SignInRefused, match="no code"):
        client.identify(ATTEMPT, answered(provider, client, code=""))


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example.com"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "//evil.example.com"},
        {"authorization_endpoint": "http://user@evil.example.com"},
        {"authorization_endpoint": "http://[::1"},
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_not_used(
    provider: ScriptedProvider, client: OidcIdentityProvider, description: dict[str, object]
):
    provider.description = description

    with pytest.raises(DependencyUnavailable, match="identity provider"):
        client.sign_in_url(ATTEMPT)


def test_a_provider_that_fails_is_unavailable(provider: ScriptedProvider, client: OidcIdentityProvider):
    provider.status = 503

    with pytest.raises(DependencyUnavailable, match="status 503"):
        client.sign_in_url(ATTEMPT)


def test_a_provider_that_redirects_elsewhere_is_not_followed(
    provider: ScriptedProvider, client: OidcIdentityProvider
):
    provider.status = 302

    with pytest.raises(DependencyUnavailable, match="status 302"):
        client.sign_in_url(ATTEMPT)


def test_a_provider_that_is_away_is_unavailable():
    with scripted_provider() as provider:
        client = client_of(provider)

    with pytest.raises(DependencyUnavailable, match="cannot be reached"):
        client.sign_in_url(ATTEMPT)


def test_a_provider_whose_certificate_is_refused_is_unavailable_for_that_reason(tmp_path):
    with scripted_server() as server:
        server.socket = over_tls(server.socket, self_signed(tmp_path / "provider.pem"))
        client = client_of(server, issuer=server.address.replace("http:", "https:"))

        with pytest.raises(
            DependencyUnavailable, match=r"its certificate is refused \(self-signed certificate\)"
        ):
            client.sign_in_url(ATTEMPT)


def test_a_provider_that_does_not_answer_holds_up_no_more_visitors_than_it_must():
    # Given a provider that accepts connections and never answers, and as many visitors as there are threads
    with scripted_server(Answer(is_withheld=True)) as silent:
        client = client_of(silent, issuer=silent.address, timeout_s=1.0)
        begin = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            refusals = list(threads.map(lambda _: unavailable(client), range(8)))
        # Then they wait at the same time, and not one after the other
        assert time.monotonic() - begin < 7
        assert all("did not respond in time" in said for said in refusals)
        # And the next ones do not wait
        begin = time.monotonic()
        assert "circuit open" in unavailable(client)
        assert time.monotonic() - begin < 0.9
        assert len(silent.requests) == 8


@pytest.mark.parametrize(
    "odd",
    [
        Answer(body=b"{", claimed_bytes=100),
        Answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["cut off", "not decodable"],
)
def test_an_odd_response_keeps_no_other_visitor_out(odd: Answer):
    # Given a provider with one response that cannot be read
    with scripted_server(odd) as server:
        server.answers.append(described(server.address))
        client = client_of(server, issuer=server.address)
        assert "its response cannot be read" in unavailable(client)
        # When the next visitor signs in, then the provider is asked
        assert asked_of(client)["client_id"] == CLIENT_ID


def test_an_address_that_cannot_be_asked_keeps_no_visitor_out(provider: ScriptedProvider):
    # Given a provider whose keys have an invalid address
    provider.description = {"jwks_uri": f"{provider.address}/{'k' * 70_000}"}
    clock = MemoryClock(datetime.now(UTC))
    client = client_of(provider, clock=clock)
    with pytest.raises(DependencyUnavailable, match="no usable endpoint URLs"):
        sign_in(provider, client)
    # When the address is corrected, and the old metadata has expired, then the next visitor signs in
    provider.description, provider.token_claims = {}, {"exp": time.time() + 3_600}
    clock.advance(600)
    assert sign_in(provider, client).subject == "1"


def test_while_one_visitor_waits_for_new_metadata_the_others_use_the_old():
    # Given metadata that is too old, and a provider that does not answer
    clock = MemoryClock()
    with scripted_server(Answer(is_withheld=True)) as silent, ThreadPoolExecutor(1) as thread:
        silent.answers.insert(0, described(silent.address))
        client = client_of(silent, issuer=silent.address, clock=clock, timeout_s=30.0)
        asked_of(client)
        clock.advance(600)
        # When one visitor waits for the provider
        first = thread.submit(unavailable, client)
        assert eventually(lambda: len(silent.requests) == 2)
        # Then the others do not, and do not ask it
        assert [asked_of(client)["client_id"] for _ in range(8)] == [CLIENT_ID] * 8
        assert len(silent.requests) == 2
        silent.closing.set()
        assert "its response cannot be read" in first.result()
        # And the next visitor asks again
        silent.answers = [described(silent.address)]
        assert asked_of(client)["client_id"] == CLIENT_ID
        assert len(silent.requests) == 3


def described(address: str) -> Answer:
    """The metadata of a provider that has an address."""
    metadata = {"issuer": address, "authorization_endpoint": f"{address}/authorize"}
    return Answer(body=json.dumps(metadata).encode(), headers={"Connection": "close"})


def unavailable(client: OidcIdentityProvider) -> str:
    with pytest.raises(DependencyUnavailable) as caught:
        client.sign_in_url(ATTEMPT)
    return str(caught.value)
