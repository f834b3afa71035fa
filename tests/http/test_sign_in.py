"""Signing in to the dashboard with a key: sessions, their cookies, their forms and their ends."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domain.caller import Scope
from domain.session import SessionToken
from domain.tenant import TenantName, TenantTrigger
from tests.http.support import UNKNOWN_ID, Service, poll, serving
from tests.http.visitor import PAGE, Visitor, a_key_of, a_tenant_of
from tests.support.no_tls import NO_TLS
from tests.support.scripted_engine import echo


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(
        tmp_path_factory.mktemp("guarded"), auth="keys", max_failed_keys_per_minute=1_000
    ) as service:
        service.engine.program = echo
        a_tenant_of(service, "acme")
        a_tenant_of(service, "other")
        yield service


def key_of(service: Service, tenant: str = "acme", **changed) -> str:
    return a_key_of(service, tenant, **changed)[1]


def test_a_page_leads_to_the_sign_in_and_back(guarded: Service, visitor: Visitor):
    asked = visitor.http.get("/dashboard/cluster?minutes=10", headers=PAGE)

    assert asked.status_code == 303
    assert asked.headers["location"] == "/dashboard/sign-in?next=/dashboard/cluster%3Fminutes%3D10"
    assert 'value="/dashboard/cluster?minutes=10"' in visitor.http.get(asked.headers["location"]).text

    signed_in = visitor.sign_in(key_of(guarded), next="/dashboard/cluster?minutes=10")

    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/dashboard/cluster?minutes=10"
    assert visitor.http.get("/dashboard/cluster?minutes=10", headers=PAGE).status_code == 200


def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in(visitor: Visitor):
    answer = visitor.http.get(
        "/dashboard/projects?page=1",
        headers={"HX-Request": "true", "HX-Current-URL": f"{visitor.http.base_url}/dashboard?page=2"},
    )

    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/dashboard/sign-in?next=/dashboard%3Fpage%3D2"


def test_a_client_that_reads_no_pages_is_refused(visitor: Visitor):
    answer = visitor.http.get("/dashboard")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "next_path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/dashboard\\@evil.example",
        "/dashboard@evil.example",
        "/dashboardevil",
        "/dashboard/../docs",
        "/dashboard/./..//evil.example",
        "/dashboard\r\nSet-Cookie: a=b",
        "/dashboard/sign-out",
        "/dashboard/sign-in/provider",
        "javascript:alert(1)",
        "/dashboard/" + "x" * 1_000,
        "/docs",
    ],
)
def test_nobody_is_led_elsewhere_after_the_sign_in(guarded: Service, visitor: Visitor, next_path: str):
    shown = visitor.http.get("/dashboard/sign-in", params={"next": next_path})
    assert 'name="next" value="/dashboard"' in shown.text

    signed_in = visitor.sign_in(key_of(guarded), next=next_path)

    assert signed_in.headers["location"] == "/dashboard"


def test_the_cookie_is_for_this_host_and_no_script(guarded: Service, visitor: Visitor):
    answer = visitor.sign_in(key_of(guarded))

    cookie = next(text for text in answer.headers.get_list("set-cookie") if "session=" in text)
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert not any(attribute.startswith(("domain", "max-age", "expires")) for attribute in attributes)
    assert answer.headers["cache-control"] == "no-store"


def test_under_https_the_cookies_cannot_be_planted(tmp_path):
    with serving(tmp_path, auth="keys", public_url="https://service.example.com") as service:
        visitor = Visitor(service.http)
        page = visitor.http.get("/dashboard/sign-in")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
        answer = visitor.http.post(
            "/dashboard/sign-in",
            data={"csrf": token, "key": key_of(service, "default")},
            headers={"Cookie": page.headers["set-cookie"].partition(";")[0]},
        )

    assert answer.status_code == 303
    for cookie in (page.headers["set-cookie"], answer.headers["set-cookie"]):
        assert cookie.startswith("__Host-service_server_")
        assert {"secure", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
        assert "domain" not in cookie.lower()


def test_the_secret_is_stored_as_its_digest(guarded: Service, visitor: Visitor):
    key, text = a_key_of(guarded, "acme", name="the key of the build")
    visitor.sign_in(text)

    token = SessionToken(visitor.cookie)
    session = guarded.container.unit_of_work().read(
        lambda transaction: transaction.sessions.find(token.digest)
    )
    assert (session.principal, session.name, session.key_id) == (
        f"key:{key.id}",
        "the key of the build",
        key.id,
    )
    assert session.address == "127.0.0.1"
    raw = (guarded.container.settings().data_dir / "service-server.sqlite3").read_bytes()
    wal = guarded.container.settings().data_dir / "service-server.sqlite3-wal"
    raw += wal.read_bytes() if wal.exists() else b""
    assert token.digest.encode() in raw
    assert token.value.encode() not in raw
    assert text.encode() not in raw


def test_the_key_is_in_no_page(guarded: Service, visitor: Visitor):
    text = key_of(guarded)
    refused = visitor.sign_in(f"{text}x")
    visitor.sign_in(text)

    assert refused.status_code == 403
    assert text not in refused.text
    assert text not in visitor.http.get("/dashboard", headers=PAGE).text


@pytest.mark.parametrize("kind", ["malformed", "unknown", "revoked", "expired", "empty"])
def test_every_bad_key_is_refused_in_the_same_words(guarded: Service, visitor: Visitor, kind: str):
    now = datetime.now(UTC)
    text = {
        "malformed": lambda: "ssk_x",
        "unknown": lambda: key_of(guarded)[:4] + "0" * 49,
        "revoked": lambda: key_of(guarded, revoked_at=now),
        "expired": lambda: key_of(guarded, expires_at=now - timedelta(seconds=1)),
        "empty": lambda: "",
    }[kind]()

    answer = visitor.sign_in(text)

    assert answer.status_code == 403
    assert "this key does not open the dashboard" in answer.text
    assert visitor.cookie is None


def test_a_sign_in_never_takes_over_a_session_that_was_planted(
    guarded: Service, visit: Callable[[], Visitor]
):
    attacker, victim = visit(), visit()
    attacker.sign_in(key_of(guarded, "other"))
    victim.http.cookies.set("service_server_session", attacker.cookie)
    victim.http.cookies.set("service_server_csrf", "a" * 43)

    victim.http.post("/dashboard/sign-in", data={"csrf": "a" * 43, "key": key_of(guarded)}, headers=PAGE)

    tokens = [cookie.value for cookie in victim.http.cookies.jar if cookie.name == "service_server_session"]
    assert len(set(tokens)) == 2
    assert attacker.http.get("/dashboard", headers=PAGE).status_code == 303  # the planted one has ended


def test_two_session_cookies_open_nothing(guarded: Service, visit: Callable[[], Visitor]):
    one, other = visit(), visit()
    one.sign_in(key_of(guarded))
    other.sign_in(key_of(guarded))
    both = "; ".join(f"service_server_session={visitor.cookie}" for visitor in (one, other))

    with httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS) as client:
        assert client.get("/dashboard", headers={**PAGE, "Cookie": both}).status_code == 303


def test_who_has_signed_in_is_shown_no_sign_in(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded))

    answer = visitor.http.get("/dashboard/sign-in?next=/dashboard/cluster")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/cluster")


def test_signing_out_ends_the_session(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded))
    token = visitor.cookie

    answer = visitor.post("/dashboard/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/sign-in")
    assert visitor.cookie is None
    visitor.http.cookies.set("service_server_session", token)
    assert visitor.http.get("/dashboard", headers=PAGE).status_code == 303


def test_signing_out_everywhere_ends_the_sessions_of_the_principal_alone(
    guarded: Service, visit: Callable[[], Visitor]
):
    text = key_of(guarded)
    here, there, bystander = visit(), visit(), visit()
    here.sign_in(text)
    there.sign_in(text)
    bystander.sign_in(key_of(guarded))

    here.post("/dashboard/sign-out/everywhere")

    poll(lambda: there.http.get("/dashboard", headers=PAGE).status_code == 303)
    assert bystander.http.get("/dashboard", headers=PAGE).status_code == 200


def test_a_revoked_key_ends_its_sessions_within_five_seconds(guarded: Service, visitor: Visitor):
    key, text = a_key_of(guarded, "acme")
    visitor.sign_in(text)
    assert visitor.http.get("/dashboard", headers=PAGE).status_code == 200

    revoked = key.revoke(datetime.now(UTC))
    guarded.container.unit_of_work().run(lambda transaction: transaction.keys.replace(key, revoked))

    begin = datetime.now(UTC)
    poll(lambda: visitor.http.get("/dashboard", headers=PAGE).status_code == 303)
    assert datetime.now(UTC) - begin < timedelta(seconds=5)


def test_the_session_of_a_revoked_key_makes_no_key(guarded: Service, visitor: Visitor):
    # Given a session that the process knows
    key, text = a_key_of(guarded, "acme")
    visitor.sign_in(text)
    token = visitor.token("/dashboard/keys")
    # When its key is revoked, and the form of a new key is sent at once
    revoked = key.revoke(datetime.now(UTC))
    guarded.container.unit_of_work().run(lambda transaction: transaction.keys.replace(key, revoked))
    form = {"csrf": token, "name": "heir of a session", "scope:jobs:read": "on"}
    answer = visitor.http.post("/dashboard/keys", data=form, headers=PAGE)
    # Then the visitor is to sign in, and there is no new key
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/dashboard/sign-in")


def test_a_deleted_tenant_ends_its_sessions(guarded: Service, visitor: Visitor):
    a_tenant_of(guarded, "doomed")
    visitor.sign_in(key_of(guarded, "doomed"))
    assert visitor.http.get("/dashboard", headers=PAGE).status_code == 200

    def delete(transaction) -> None:
        before = transaction.tenants.get(TenantName("doomed"))
        transaction.tenants.replace(before, before.apply(TenantTrigger.DELETE))

    guarded.container.unit_of_work().run(delete)

    poll(lambda: visitor.http.get("/dashboard", headers=PAGE).status_code == 303)


def test_a_form_of_another_session_is_refused(guarded: Service, visit: Callable[[], Visitor]):
    mine, attacker = visit(), visit()
    mine.sign_in(key_of(guarded))
    attacker.sign_in(key_of(guarded))
    stolen = attacker.token("/dashboard")

    answer = mine.http.post("/dashboard/projects", data={"csrf": stolen, "name": "x"}, headers=PAGE)

    assert answer.status_code == 403


def test_a_planted_cookie_makes_no_form_of_a_session_good(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded))
    visitor.http.cookies.delete("service_server_csrf")
    visitor.http.cookies.set("service_server_csrf", "a" * 43)

    answer = visitor.http.post("/dashboard/projects", data={"csrf": "a" * 43, "name": "x"}, headers=PAGE)

    assert answer.status_code == 403


@pytest.mark.parametrize("url", ["/dashboard/sign-in", "/dashboard/sign-out", "/dashboard/projects"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://sub.127.0.0.1"},
        {"Origin": "null"},
    ],
)
def test_other_sites_post_no_form(guarded: Service, visitor: Visitor, url: str, headers: dict[str, str]):
    visitor.sign_in(key_of(guarded))
    token = visitor.token("/dashboard")

    answer = visitor.http.post(
        url, data={"csrf": token, "key": "x", "name": "x"}, headers={**PAGE, **headers}
    )

    assert answer.status_code == 403
    assert visitor.http.get("/dashboard", headers=PAGE).status_code == 200


def test_the_sign_in_form_takes_its_token(guarded: Service, visitor: Visitor):
    answer = visitor.http.post("/dashboard/sign-in", data={"key": key_of(guarded)}, headers=PAGE)

    assert answer.status_code == 403
    assert visitor.cookie is None


SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (SAME_ORIGIN, 200),
        ({"Referer": "{base}/dashboard/jobs/1"}, 200),
        ({}, 401),
        ({"Sec-Fetch-Site": "none"}, 401),
        ({"Sec-Fetch-Site": "same-site"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Sec-Fetch-Site": "cross-site", "Referer": "{base}/dashboard/jobs/1"}, 401),
        ({"Referer": "http://evil.example/dashboard"}, 401),
        ({"Referer": "{base}/docs"}, 401),
        ({"Referer": "http://[::1"}, 401),
    ],
)
def test_the_api_takes_the_cookie_from_the_dashboards_own_pages_alone(
    guarded: Service, visitor: Visitor, headers: dict[str, str], status: int
):
    visitor.sign_in(key_of(guarded))
    given = {name: value.format(base=visitor.http.base_url) for name, value in headers.items()}

    assert visitor.http.get("/api/projects", headers=given).status_code == status


def test_the_cookie_changes_nothing_through_the_api(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded))

    answer = visitor.http.post("/api/project", json={"project_name": "x"}, headers=SAME_ORIGIN)

    assert answer.status_code == 401


def test_a_bad_key_is_refused_beside_a_good_cookie(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded))

    answer = visitor.http.get("/api/projects", headers={**SAME_ORIGIN, "Authorization": "Bearer ssk_x"})

    assert answer.status_code == 401


def test_pages_show_the_tenants_own(guarded: Service, visit: Callable[[], Visitor]):
    mine, others = visit(), visit()
    mine.sign_in(key_of(guarded, "acme"))
    others.sign_in(key_of(guarded, "other"))
    made = others.post("/dashboard/projects", name="a project of another tenant")
    page = made.headers["location"]

    assert "a project of another tenant" in others.http.get(page, headers=PAGE).text
    assert mine.http.get(page, headers=PAGE).status_code == 404
    assert "a project of another tenant" not in mine.http.get("/dashboard", headers=PAGE).text
    assert mine.http.get(f"/dashboard/jobs/{UNKNOWN_ID}", headers=PAGE).status_code == 404


def test_a_visitor_is_shown_what_it_may_do(guarded: Service, visitor: Visitor):
    visitor.sign_in(key_of(guarded, scopes={Scope.JOBS_READ}))

    page = visitor.http.get("/dashboard", headers=PAGE).text

    assert "/dashboard/cluster" not in page
    assert visitor.http.get("/dashboard/cluster", headers=PAGE).status_code == 403
    assert "New project" not in page


def test_without_sign_in_there_is_no_sign_in_page(service: Service):
    answer = service.http.get("/dashboard/sign-in?next=/dashboard/cluster")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/cluster")
    page = service.http.get("/dashboard", headers=PAGE)
    assert "Sign out" not in page.text
    assert "open-to-all" not in page.text


def test_a_service_that_is_open_to_all_says_so_on_every_page(tmp_path):
    with serving(tmp_path, auth="off", public_url="http://service.example.com") as service:
        page = service.http.get("/dashboard", headers=PAGE).text

    assert "SERVICE_SERVER_AUTH is off on a public address" in page


def test_a_stream_that_a_page_follows_ends_with_the_session(guarded: Service, visitor: Visitor):
    key, text = a_key_of(guarded, "acme")
    visitor.sign_in(text)
    body = {"project": "streamed", "code": "print(1)", "language": "python"}
    with httpx.Client(
        base_url=guarded.http.base_url, verify=NO_TLS, headers={"X-Auth-Token": text}
    ) as client:
        job_id = client.post("/api/upload", json=body).raise_for_status().json()["job_id"]

    with visitor.http.stream("GET", f"/api/jobs/{job_id}/events", headers=SAME_ORIGIN) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert next(lines)
        revoked = key.revoke(datetime.now(UTC))
        guarded.container.unit_of_work().run(lambda transaction: transaction.keys.replace(key, revoked))
        begin = datetime.now(UTC)
        assert not any("event: end" in line for line in lines)  # to the end of the stream

    assert datetime.now(UTC) - begin < timedelta(seconds=5)
