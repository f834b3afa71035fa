"""Signing in with a real browser: by key, at a real identity provider, and the pages for many tenants."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.guarded import Guarded, sign_in

# A key ends its sessions within five seconds; the page asks every two.
ENDS_WITHIN_MS = 8_000
_IS_ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1|localhost)")


@pytest.fixture
def context(browser: Browser, guarded: Guarded) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=guarded.server.url, viewport={"width": 1200, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    # The provider's pages name a stylesheet of the internet's, which tests do without.
    context.route(_IS_ELSEWHERE, lambda route: route.fulfill(status=200, content_type="text/css", body=""))
    yield context
    context.close()


def sign_in_at_provider(page: Page, subject: str, path: str = "/dashboard") -> None:
    page.goto(path)
    page.get_by_role("link", name="Sign in with your organisation").click()
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def test_a_visitor_signs_in_with_a_key_and_out(page: Page, context: BrowserContext, guarded: Guarded):
    made = guarded.key(name="Ada's key")
    sign_in(page, made["key"], "/dashboard/usage?period=week")

    expect(page).to_have_url(re.compile(r"/dashboard/usage\?period=week$"))
    expect(page.locator("#visitor")).to_have_text("Ada's key acme")
    (cookie,) = (one for one in context.cookies() if "session" in one["name"])
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert page.evaluate("document.cookie") == ""
    assert made["key"] not in page.content()

    page.evaluate("localStorage.setItem('draft:1::python', '{}')")
    page.locator("#visitor").click()
    page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("localStorage.getItem('draft:1::python')") is None
    page.goto("/dashboard")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_user_signs_in_at_the_provider(page: Page, guarded: Guarded):
    guarded.provider.register("ada", {"email": "ada@example.com", "tenant": "acme", "role": "developer"})

    sign_in_at_provider(page, "ada", "/dashboard/cluster")

    expect(page).to_have_url(re.compile(r"/dashboard/cluster$"))
    expect(page.locator("#visitor")).to_have_text("ada@example.com acme")
    expect(page.get_by_role("link", name="Keys")).to_have_count(0)
    page.goto("/dashboard/keys")
    expect(page.get_by_text("keys:write")).to_be_visible()


def test_a_user_without_a_role_is_told_so(page: Page, guarded: Guarded):
    guarded.provider.register("eve", {"email": "eve@example.com", "tenant": "acme"})

    sign_in_at_provider(page, "eve")

    expect(page.get_by_role("alert")).to_contain_text("the claim 'role' of your identity names no role")
    page.goto("/dashboard")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_revoked_key_closes_the_page_that_is_open(page: Page, guarded: Guarded):
    made = guarded.key()
    sign_in(page, made["key"])

    guarded.api("DELETE", f"/api/keys/{made['key_id']}", params={"tenant": "acme"})

    expect(page.get_by_label("API key")).to_be_visible(timeout=ENDS_WITHIN_MS)
    expect(page).to_have_url(re.compile(r"/dashboard/sign-in$"))


def test_a_program_runs_in_the_editor_and_its_output_is_followed(page: Page, guarded: Guarded):
    sign_in(page, guarded.key()["key"])
    page.get_by_text("New project").click()
    page.get_by_role("textbox", name="Name").fill("followed")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="followed")).to_be_visible()

    expect(page.locator(".CodeMirror")).to_be_visible()
    page.evaluate("code => window.editor.setValue(code)", "print('seen ' + 'live')")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.locator("[data-output]")).to_contain_text("seen live")
    expect(page.locator("[data-follow] .badge")).to_have_text("Succeeded")


def test_a_key_is_made_copied_and_revoked(page: Page, guarded: Guarded):
    sign_in(page, guarded.key()["key"], "/dashboard/keys")
    page.get_by_text("New key").click()
    page.get_by_label("Name").fill("for the build")
    page.get_by_role("button", name="Create key").click()

    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("ssk_")
    guarded.api("GET", "/api/jobs", text)

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke for the build").click()
    expect(page.get_by_role("row").filter(has_text="for the build")).to_contain_text("Revoked")
    assert text not in page.content()
    with guarded.server.http as http:
        deadline = time.monotonic() + 60
        while http.get("/api/jobs", headers={"X-Auth-Token": text}).is_success:
            assert time.monotonic() < deadline


def test_a_job_of_another_tenant_is_not_there(page: Page, guarded: Guarded):
    others = guarded.key("other")["key"]
    body = {"project": "secret-of-others", "code": "print(1)", "language": "python"}
    job_id = guarded.api("POST", "/api/upload", others, json=body)["job_id"]
    sign_in(page, guarded.key()["key"])

    answer = page.goto(f"/dashboard/jobs/{job_id}")

    assert answer.status == 404
    expect(page.locator("body")).not_to_contain_text("secret-of-others")


def test_an_administrator_switches_to_another_tenant(page: Page, guarded: Guarded):
    sign_in(page, guarded.admin_key)
    page.locator("#visitor").click()
    page.get_by_role("link", name="Switch tenant").click()
    page.get_by_role("button", name="Show other").click()

    expect(page.locator("#visitor .tag")).to_have_text("other")


def test_a_form_of_another_session_is_refused(page: Page, browser: Browser, guarded: Guarded):
    sign_in(page, guarded.key()["key"])
    elsewhere = browser.new_context(base_url=guarded.server.url)
    other = elsewhere.new_page()
    sign_in(other, guarded.key()["key"])
    stolen = other.locator("input[name=csrf]").first.get_attribute("value")
    elsewhere.close()

    page.evaluate(
        "token => document.querySelectorAll('input[name=csrf]').forEach(i => i.value = token)", stolen
    )
    page.locator("#visitor").click()
    page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_text("the form is not from a page of this service")).to_be_visible()
    page.goto("/dashboard")
    expect(page.locator("#visitor")).to_be_visible()


def test_a_page_of_another_site_makes_no_use_of_the_session(page: Page, guarded: Guarded):
    """The provider's page is of another site: its requests bring no cookie, and its posts are refused."""
    sign_in(page, guarded.key()["key"])
    page.goto(f"{guarded.provider.address}/")

    page.evaluate(
        """url => {
            const form = document.createElement("form");
            form.method = "post"; form.action = url + "/dashboard/sign-out";
            document.body.append(form); form.submit();
        }""",
        guarded.server.url,
    )
    page.wait_for_url(f"{guarded.server.url}/**")

    page.goto("/dashboard")
    expect(page.locator("#visitor")).to_be_visible()
