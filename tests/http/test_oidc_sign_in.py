"""Signing in at an identity provider: the way there and back, and attacks on it."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from domain.session import SessionToken
from tests.http.support import Service, serving
from tests.http.visitor import PAGE, Visitor, a_key_of, a_tenant_of
from tests.support.no_tls import NO_TLS
from tests.support.scripted_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    ScriptedProvider,
    scripted_provider,
)

USER = {"sub": "7", "email": "ada@example.com", "hd": "example.com", "groups": ["eng", "football"]}
ATTEMPT = "service_server_sign_in"


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def honest(provider: ScriptedProvider) -> None:
    """Undo what a test before has changed."""
    provider.user = dict(USER)
    provider.status = 200
    provider.answer, provider.token_claims, provider.token_header = {}, {}, {}


@pytest.fixture(scope="module")
def guarded(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(
        tmp_path_factory.mktemp("oidc"),
        auth="keys+oidc",
        oidc_issuer=provider.address,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_tenant_claim="hd",
        oidc_tenants="example.com=acme, example.org=missing",
        oidc_role_claim="groups",
        oidc_roles="eng=developer, ops=admin",
    ) as service:
        a_tenant_of(service, "acme")
        yield service


def begin(visitor: Visitor, provider: ScriptedProvider, next_path: str = "/dashboard") -> str:
    """Go to the provider and sign in there; return the path that it sends the visitor back to."""
    sent = visitor.http.get("/dashboard/sign-in/provider", params={"next": next_path}, headers=PAGE)
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith(f"{provider.address}/authorize?")
    back = urlsplit(provider.authorize(dict(parse_qsl(urlsplit(sent.headers["location"]).query))))
    assert back.path == "/dashboard/sign-in/return"
    return f"{back.path}?{back.query}"


def back(visitor: Visitor, path: str) -> httpx.Response:
    """Come back from the provider, as from another site."""
    return visitor.http.get(path, headers={**PAGE, "Sec-Fetch-Site": "cross-site"})


def test_a_user_signs_in_and_goes_where_it_wanted(
    guarded: Service, visitor: Visitor, provider: ScriptedProvider
):
    assert "Sign in with your organisation" in visitor.http.get("/dashboard/sign-in").text

    signed_in = back(visitor, begin(visitor, provider, "/dashboard/cluster?minutes=30"))

    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/dashboard/cluster?minutes=30")
    page = visitor.http.get("/dashboard", headers=PAGE).text
    assert "ada@example.com" in page
    assert "Tenant acme" in page
    session = guarded.container.unit_of_work().read(
        lambda transaction: transaction.sessions.find(SessionToken(visitor.cookie).digest)
    )
    assert (session.principal, session.home.value) == ("user:7", "acme")
    assert ATTEMPT not in visitor.http.cookies


def test_the_providers_answer_is_good_once(visitor: Visitor, provider: ScriptedProvider):
    path = begin(visitor, provider)
    attempt = visitor.http.cookies[ATTEMPT]
    assert back(visitor, path).status_code == 303

    visitor.http.cookies.clear()
    visitor.http.cookies.set(ATTEMPT, attempt)
    again = back(visitor, path)

    assert again.status_code == 403
    assert visitor.cookie is None


def test_a_sign_in_makes_one_session_even_with_two_codes(visitor: Visitor, provider: ScriptedProvider):
    """A provider that gives two codes for one sign-in is a stolen one's accomplice, or broken."""
    sent = visitor.http.get("/dashboard/sign-in/provider", headers=PAGE)
    attempt = visitor.http.cookies[ATTEMPT]
    asked = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
    first, second = provider.authorize(asked), provider.authorize({**asked, "prompt": "none"})
    assert back(visitor, first[first.index("/dashboard") :]).status_code == 303

    visitor.http.cookies.clear()
    visitor.http.cookies.set(ATTEMPT, attempt)
    again = back(visitor, second[second.index("/dashboard") :])

    assert again.status_code == 403
    assert "has already opened a session" in again.text


def test_an_answer_to_another_browser_signs_nobody_in(
    visit: Callable[[], Visitor], provider: ScriptedProvider
):
    """An attacker would have its victim work in the attacker's own session."""
    attacker, victim, unaware = visit(), visit(), visit()
    path = begin(attacker, provider)
    begin(victim, provider)

    for browser in (victim, unaware):
        answer = back(browser, path)
        assert answer.status_code == 403
        assert browser.cookie is None


def test_of_two_sign_ins_at_once_the_one_begun_last_succeeds(visitor: Visitor, provider: ScriptedProvider):
    first, last = begin(visitor, provider), begin(visitor, provider, "/dashboard/cluster")

    assert back(visitor, first).status_code == 403
    signed_in = back(visitor, last)

    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/dashboard/cluster")
    assert ATTEMPT not in visitor.http.cookies


def test_a_changed_attempt_is_refused(visitor: Visitor, provider: ScriptedProvider):
    path = begin(visitor, provider)
    secret, begun_at, _next = visitor.http.cookies[ATTEMPT].split(".")
    visitor.http.cookies.clear()
    visitor.http.cookies.set(ATTEMPT, f"{secret}.{begun_at}.aHR0cHM6Ly9ldmlsLmV4YW1wbGU")

    assert back(visitor, path).status_code == 403


@pytest.mark.parametrize(
    "attempt", ["", "x", "a.b.c", "a" * 43 + ".0.L2Rhc2hib2FyZA", "a" * 43 + ".99999999999.L2Rhc2hib2FyZA"]
)
def test_an_attempt_that_is_too_old_or_no_such_is_refused(visitor: Visitor, attempt: str):
    visitor.http.cookies.set(ATTEMPT, attempt)

    answer = back(visitor, "/dashboard/sign-in/return?state=x&code=y")

    assert answer.status_code == 403
    assert "has not started a sign-in" in answer.text


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"hd": "unknown.example"}, "the claim &#39;hd&#39; of your identity names no tenant"),
        ({"groups": ["football"]}, "the claim &#39;groups&#39; of your identity names no role"),
        ({"groups": None}, "names no role"),
        ({"hd": "example.org"}, "the tenant &#39;missing&#39; of your identity does not exist here"),
        ({"sub": "x" * 300}, "names you by more characters"),
        ({"sub": "a\x1bb"}, "names you by more characters"),
    ],
)
def test_a_user_without_a_place_is_refused_in_words(
    visitor: Visitor, provider: ScriptedProvider, claims: dict[str, object], sentence: str
):
    provider.user |= claims

    answer = back(visitor, begin(visitor, provider))

    assert answer.status_code == 403
    assert sentence in answer.text
    assert visitor.cookie is None


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another client"}, {"iss": "https://evil.example"}, {"exp": 1}, {"nonce": "x"}],
)
def test_a_token_for_others_signs_nobody_in(
    visitor: Visitor, provider: ScriptedProvider, claims: dict[str, object]
):
    provider.token_claims = claims

    assert back(visitor, begin(visitor, provider)).status_code == 403
    assert visitor.cookie is None


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_the_provider_did_not_sign_signs_nobody_in(
    visitor: Visitor, provider: ScriptedProvider, algorithm: str
):
    provider.token_header = {"alg": algorithm}

    assert back(visitor, begin(visitor, provider)).status_code == 403
    assert visitor.cookie is None


def test_the_answer_of_another_provider_signs_nobody_in(visitor: Visitor, provider: ScriptedProvider):
    provider.answer = {"iss": "https://evil.example"}

    answer = back(visitor, begin(visitor, provider))

    assert answer.status_code == 403
    assert "another identity provider" in answer.text


def test_what_the_provider_says_is_shown_without_its_markup(visitor: Visitor, provider: ScriptedProvider):
    path = begin(visitor, provider)
    state = dict(parse_qsl(urlsplit(path).query))["state"]

    answer = visitor.http.get(
        "/dashboard/sign-in/return", params={"state": state, "error": "<script>alert(1)</script>"}
    )

    assert answer.status_code == 403
    assert "&lt;script&gt;" in answer.text
    assert "<script>alert" not in answer.text


def test_a_provider_that_is_away_is_said(visitor: Visitor, provider: ScriptedProvider):
    path = begin(visitor, provider)
    provider.status = 503

    answer = back(visitor, path)

    assert answer.status_code == 503
    assert "the identity provider is unavailable" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_begins_no_sign_in(visitor: Visitor, site: str):
    answer = visitor.http.get("/dashboard/sign-in/provider", headers={**PAGE, "Sec-Fetch-Site": site})

    assert answer.status_code == 200
    assert ATTEMPT not in visitor.http.cookies


def test_a_sign_in_replaces_the_session_that_the_browser_had(
    guarded: Service, visitor: Visitor, provider: ScriptedProvider
):
    visitor.sign_in(a_key_of(guarded, "acme")[1])
    planted = visitor.cookie
    back(visitor, begin(visitor, provider))

    assert visitor.cookie != planted
    with httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS) as client:
        client.cookies.set("service_server_session", planted)
        assert client.get("/dashboard", headers=PAGE).status_code == 303


def test_a_key_signs_in_beside_the_provider(guarded: Service, visitor: Visitor):
    assert visitor.sign_in(a_key_of(guarded, "acme")[1]).status_code == 303


def test_without_a_provider_the_way_there_names_the_settings(tmp_path):
    with serving(tmp_path, auth="keys") as service:
        page = service.http.get("/dashboard/sign-in").text
        answer = service.http.get("/dashboard/sign-in/provider", headers=PAGE)

    assert "your organisation" not in page
    assert answer.status_code == 403
    assert "SERVICE_SERVER_OIDC_ISSUER" in answer.text
