"""The pages of keys, usage, members, audit and tenants, and their forms."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from domain.caller import Scope
from domain.membership import ROLES
from domain.quota import Quota
from domain.session import SessionToken
from tests.http.support import UNKNOWN_ID, Service, poll, serving
from tests.http.visitor import PAGE, Visitor, a_key_of, a_tenant_of
from tests.support.no_tls import NO_TLS

PARTS = {"HX-Request": "true"}
FOR_READERS = {f"/dashboard{part}" for part in ("", "/jobs", "/batches", "/cluster", "/usage")}
FOR_MAINTAINERS = {"/dashboard/keys", "/dashboard/members", "/dashboard/audit"}
_KEY_TEXT = re.compile(r'<code id="key-text">(ssk_\w+)</code>')


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("tenants"), auth="keys") as service:
        a_tenant_of(service, "acme")
        a_tenant_of(service, "other")
        yield service


@pytest.fixture
def visit(guarded: Service) -> Iterator[Callable[..., Visitor]]:
    """Return a function that signs a visitor in."""
    clients = []

    def signed_in(
        tenant: str = "acme",
        scopes: frozenset[Scope] = ROLES["maintainer"],
        key: str | None = None,
        **changed,
    ) -> Visitor:
        clients.append(httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS, timeout=30))
        visitor = Visitor(clients[-1])
        text = key or a_key_of(guarded, tenant, scopes, **changed)[1]
        assert visitor.sign_in(text).status_code == 303
        return visitor

    yield signed_in
    for client in clients:
        client.close()


def page(visitor: Visitor, url: str) -> str:
    answer = visitor.http.get(url, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


def opens(guarded: Service, text: str) -> bool:
    with httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS) as client:
        answer = client.get("/api/projects", headers={"Authorization": f"Bearer {text}"})
    return answer.status_code == 200


def test_a_key_is_made_and_its_text_is_shown_once(guarded: Service, visit: Callable[..., Visitor]):
    visitor = visit()

    made = visitor.post(
        "/dashboard/keys",
        "/dashboard/keys",
        name="<b>build</b>",
        lifetime="30 days",
        **{"scope:jobs:read": "1", "scope:logs:read": "1"},
    )

    text = _KEY_TEXT.search(made.text)[1]
    assert opens(guarded, text)
    shown = page(visitor, "/dashboard/keys")
    assert text not in shown
    assert "&lt;b&gt;build&lt;/b&gt;" in shown
    with httpx.Client(base_url=guarded.http.base_url, verify=NO_TLS) as client:
        refused = client.post("/api/project?project_name=x", headers={"X-Auth-Token": text})
    assert refused.status_code == 403


def test_a_key_takes_no_scope_that_its_maker_lacks(visit: Callable[..., Visitor]):
    visitor = visit()
    assert "scope:admin" not in page(visitor, "/dashboard/keys")

    made = visitor.post("/dashboard/keys", "/dashboard/keys", name="x", **{"scope:admin": "1"})

    assert made.status_code == 403
    assert not _KEY_TEXT.search(made.text)


def test_a_form_without_a_scope_is_refused_in_words(visit: Callable[..., Visitor]):
    made = visit().post("/dashboard/keys", "/dashboard/keys", name="x")

    assert made.status_code == 422
    assert "at least one scope" in made.text


def test_a_key_is_rotated_and_revoked(guarded: Service, visit: Callable[..., Visitor]):
    visitor = visit()
    key, text = a_key_of(guarded, "acme", {Scope.JOBS_READ}, name="to be rotated")
    assert opens(guarded, text)

    rotated = visitor.post(f"/dashboard/keys/{key.id}/rotate", "/dashboard/keys")
    assert opens(guarded, _KEY_TEXT.search(rotated.text)[1])
    revoked = visitor.post(f"/dashboard/keys/{key.id}/revoke", "/dashboard/keys")

    assert (revoked.status_code, revoked.headers["location"]) == (303, "/dashboard/keys")
    poll(lambda: not opens(guarded, text))


def test_keys_of_another_tenant_are_unknown(guarded: Service, visit: Callable[..., Visitor]):
    key, text = a_key_of(guarded, "other", {Scope.JOBS_READ}, name="a key of others")
    visitor = visit()

    assert "a key of others" not in page(visitor, "/dashboard/keys")
    assert visitor.post(f"/dashboard/keys/{key.id}/rotate", "/dashboard/keys").status_code == 404
    assert visitor.post(f"/dashboard/keys/{key.id}/revoke", "/dashboard/keys").status_code == 404
    assert visitor.post("/dashboard/keys/x/revoke", "/dashboard/keys").status_code == 404
    assert opens(guarded, text)


def test_members_and_their_sessions_are_shown(visit: Callable[..., Visitor]):
    visitor = visit(name="Ada's key")
    visit("other", name="a member of others")

    shown = page(visitor, "/dashboard/members")

    assert "Ada&#39;s key" in shown
    assert "this session" in shown
    assert "a member of others" not in shown


def session_of(visitor: Visitor, name: str) -> str:
    rows = page(visitor, "/dashboard/members").split("<tr>")
    return next(
        re.search(r"/sessions/([^/]+)/end", row)[1] for row in rows if name in row and "/sessions/" in row
    )


def test_a_member_is_signed_out(visit: Callable[..., Visitor]):
    visitor, member = visit(), visit(name="soon gone")
    session_id = session_of(visitor, "soon gone")

    otherwise_written = session_id.replace("-", "")
    unknown = visitor.post(f"/dashboard/members/sessions/{otherwise_written}/end", "/dashboard/members")
    ended = visitor.post(f"/dashboard/members/sessions/{session_id}/end", "/dashboard/members")

    assert (unknown.status_code, ended.status_code) == (404, 303)
    assert member.http.get("/dashboard", headers=PAGE).status_code == 303


def test_sessions_of_another_tenant_are_unknown(visit: Callable[..., Visitor]):
    visitor, other = visit(), visit("other", name="a stranger")
    session_id = session_of(other, "a stranger")

    for unknown in (session_id, UNKNOWN_ID, "x"):
        ended = visitor.post(f"/dashboard/members/sessions/{unknown}/end", "/dashboard/members")
        assert ended.status_code == 404
    assert other.http.get("/dashboard", headers=PAGE).status_code == 200


def test_an_administrator_switches_to_another_tenant_and_back(
    guarded: Service, visit: Callable[..., Visitor]
):
    other = visit("other")
    other.post("/dashboard/projects", name="a project of others")
    key, text = a_key_of(guarded, "acme")
    admin = visit(key=text)
    assert "a project of others" not in page(admin, "/dashboard")

    switched = admin.post("/dashboard/tenants/switch", "/dashboard/tenants", tenant="other")

    assert switched.status_code == 303
    shown = page(admin, "/dashboard")
    assert "a project of others" in shown
    assert "Home tenant acme, viewing other" in shown
    log = f"/dashboard/audit?act=session.sign_in&principal=key:{key.id}"
    poll(lambda: f"key:{key.id}</td>" in page(admin, log))
    admin.post("/dashboard/tenants/switch", "/dashboard/tenants", tenant="acme")
    assert "a project of others" not in page(admin, "/dashboard")


@pytest.mark.parametrize("tenant", ["missing", "../other", ""])
def test_there_is_no_switch_to_a_tenant_that_there_is_not(visit: Callable[..., Visitor], tenant: str):
    admin = visit("acme", frozenset(Scope))

    assert admin.post("/dashboard/tenants/switch", "/dashboard/tenants", tenant=tenant).status_code == 404


def test_who_is_no_administrator_has_no_switch(visit: Callable[..., Visitor]):
    visitor = visit()

    assert "/dashboard/tenants" not in page(visitor, "/dashboard")
    assert visitor.http.get("/dashboard/tenants", headers=PAGE).status_code == 403
    assert visitor.post("/dashboard/tenants/switch", tenant="other").status_code == 403


@pytest.mark.parametrize(
    ("role", "entries"),
    [
        ("viewer", FOR_READERS),
        ("developer", FOR_READERS),
        ("maintainer", FOR_READERS | FOR_MAINTAINERS),
    ],
)
def test_the_navigation_has_what_a_visitor_may_see(
    visit: Callable[..., Visitor], role: str, entries: set[str]
):
    visitor = visit(scopes=ROLES[role])
    navigation = page(visitor, "/dashboard").partition("<nav")[2].partition("</nav>")[0]

    assert set(re.findall(r'href="(/dashboard[^"]*)"', navigation)) == entries
    for hidden in FOR_MAINTAINERS - entries:
        assert visitor.http.get(hidden, headers=PAGE).status_code == 403


@pytest.mark.parametrize(
    "url",
    [
        "/dashboard/keys/list",
        "/dashboard/members/list",
        "/dashboard/usage/quotas",
        "/dashboard/audit/list?act=key.create",
    ],
)
def test_a_part_that_has_not_changed_is_not_sent_again(visit: Callable[..., Visitor], url: str):
    visitor = visit()
    version = re.search(r'"seen": "(\w+)"', visitor.http.get(url, headers=PARTS).text)[1]
    seen = f"{url}{'&' if '?' in url else '?'}seen={version}"

    assert visitor.http.get(seen, headers=PARTS).status_code == 204


def test_pages_of_keys_need_a_sign_in(service: Service):
    assert service.http.get("/dashboard/keys", headers=PAGE).status_code == 403


def test_usage_is_shown_against_the_quotas(guarded: Service, visit: Callable[..., Visitor]):
    quota = Quota(running=2, uploads_per_day=1, stored_bytes=1_000, max_priority=3, limits={"memory_mb": 64})
    a_tenant_of(guarded, "bounded", quota)
    _key, text = a_key_of(guarded, "bounded")
    with httpx.Client(
        base_url=guarded.http.base_url, verify=NO_TLS, headers={"X-Auth-Token": text}
    ) as client:
        job = {"project": "used", "code": "x" * 100, "language": "python"}
        client.post("/api/upload", json=job).raise_for_status()
    visitor = visit(key=text)

    shown = poll(lambda: (text := page(visitor, "/dashboard/usage")) and ">used</a>" in text and text)

    assert "Uploads today" in shown
    assert "quota reached" in shown
    assert re.search(r"100 B <span class=\"muted\">of 1000 B", shown)
    assert "Highest priority: 3 · Memory: 64 MiB" in shown
    assert re.search(r'aria-label="Uploads in each of the last 30 days: [0, ]*1"', shown)
    others = page(visit("other"), "/dashboard/usage")
    assert ">used</a>" not in others
    assert "unlimited" in others


def test_the_usage_of_a_week_is_shown(visit: Callable[..., Visitor]):
    shown = page(visit(), "/dashboard/usage?period=week")

    assert "Uploads, last 7 days" in shown
    assert "Uploads, last 30 days" in page(visit(), "/dashboard/usage?period=century")


def test_the_audit_log_shows_the_tenants_own_acts(guarded: Service, visit: Callable[..., Visitor]):
    key, text = a_key_of(guarded, "acme")
    visitor, other = visit(key=text), visit("other")
    visitor.post("/dashboard/projects", name="recorded")
    log = f"/dashboard/audit?act=project.create&principal=key:{key.id}"

    shown = poll(lambda: (text := page(visitor, log)) and "project.create</td>" in text and text)

    assert f"key:{key.id}</td>" in shown
    assert "127.0.0.1" in shown
    assert f"key:{key.id}</td>" not in page(other, log)


def test_the_audit_log_is_filtered_and_paged(guarded: Service, visit: Callable[..., Visitor]):
    key, text = a_key_of(guarded, "acme")
    visitor = visit(key=text)
    for number in range(52):
        visitor.http.post(
            "/dashboard/projects",
            data={"csrf": SessionToken(visitor.cookie).form_token, "name": f"p{number}"},
        )
    of_key = f"principal=key:{key.id}"

    first = poll(
        lambda: (text := page(visitor, f"/dashboard/audit?{of_key}")) and 'id="older"' in text and text
    )
    older = re.search(r'id="older" href="([^"]+)"', first)[1].replace("&amp;", "&")

    assert first.count("</tr>") == 51
    assert of_key.replace(":", "%3A") in older
    assert "session.sign_in</td>" in page(visitor, older)
    assert "No entries match these filters." in page(visitor, f"/dashboard/audit?act=key.revoke&{of_key}")
    assert visitor.http.get("/dashboard/audit?cursor=x", headers=PAGE).status_code == 422
    part = visitor.http.get(f"/dashboard/audit/list?act=project.create&{of_key}", headers=PARTS)
    assert part.headers["hx-push-url"].startswith("/dashboard/audit?act=project.create&principal=key%3A")
