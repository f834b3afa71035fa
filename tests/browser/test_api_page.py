"""The pages that describe the API."""

from playwright.sync_api import Page, expect

from tests.browser.barriers import find_violations
from tests.browser.visitor import Visitor

# The whole page has seventy operations, all alike.
_PARTS = [[".top"], [".information-container"], ["#operations-Running-uploadCode"]]
_PATIENCE_MS = 120_000


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_calls_can_be_tried_on_a_page_as_dark_as_the_dashboard(visitor: Visitor):
    page = visitor.page
    page.set_default_timeout(_PATIENCE_MS)
    page.goto("/dashboard")
    page.get_by_role("button", name="Switch between light and dark").click()
    dashboard = background(page)

    with page.expect_response("**/docs") as answered:
        page.get_by_role("navigation").get_by_role("link", name="API", exact=True).click()

    # Nothing is inline, and the theme is the dashboard's.
    assert "unsafe" not in answered.value.headers["content-security-policy"]
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) != "rgb(255, 255, 255)"
    # The first example succeeds, and so does another call.
    first = page.locator(".opblock").first
    first.locator(".opblock-summary").click()
    first.get_by_role("button", name="Execute").click()
    answer = first.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_have_text("200")
    expect(answer).to_contain_text("Code uploaded successfully")
    assert find_violations(page, _PARTS) == []
    page.set_viewport_size({"width": 390, "height": 720})
    assert find_violations(page, _PARTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1200, "height": 860})
    call = page.locator(".opblock", has=page.locator("[data-path='/api/languages']"))
    call.locator(".opblock-summary").click()
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table")).to_contain_text("python")
    # There is a way back.
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    assert background(page) == dashboard


def test_the_api_can_be_read_offline(visitor: Visitor):
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/redoc")

    expect(page.get_by_role("heading", name="Upload code")).to_be_visible()
    own = page.evaluate("location.origin")
    assert not [url for url in asked if not url.startswith((own, "data:"))]
