"""The pages that describe the API."""

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Visitor
from tests.support.service import Server

_AXE = Path(__file__).parent / "axe" / "axe.min.js"
# The whole page has seventy operations, all alike.
_PARTS = [[".top"], [".information-container"], ["#operations-Running-uploadCode"]]
_PATIENCE_MS = 120_000
_VIOLATIONS = """
async (parts) => (await axe.run({include: parts}, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => [found.id, found.nodes.map((node) => node.target.join(" "))])
"""


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_call_can_be_tried_on_a_page_with_nothing_inline(visitor: Visitor):
    page = visitor.page
    answer = page.goto("/docs")
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    call = page.locator(".opblock", has=page.locator("[data-path='/api/languages']"))
    call.locator(".opblock-summary").click()

    call.get_by_role("button", name="Execute").click()

    expect(call.locator(".live-responses-table")).to_contain_text("python")


def test_the_first_example_succeeds_on_a_page_as_dark_as_the_dashboard(browser: Browser, server: Server):
    context = browser.new_context(base_url=server.url, color_scheme="light")
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    page.goto("/dashboard")
    page.get_by_role("button", name="Switch between light and dark").click()
    dashboard = background(page)

    page.get_by_role("navigation").get_by_role("link", name="API", exact=True).click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) != "rgb(255, 255, 255)"
    first = page.locator(".opblock").first
    first.locator(".opblock-summary").click()
    first.get_by_role("button", name="Execute").click()
    answer = first.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_have_text("200")
    expect(answer).to_contain_text("Code uploaded successfully")
    page.evaluate(_AXE.read_text())
    assert page.evaluate(_VIOLATIONS, _PARTS) == []
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    assert background(page) == dashboard
    context.close()


def test_the_api_can_be_read_offline(visitor: Visitor):
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/redoc")

    expect(page.get_by_role("heading", name="Upload code")).to_be_visible()
    own = page.evaluate("location.origin")
    assert not [url for url in asked if not url.startswith((own, "data:"))]
