"""The page that describes the API."""

from playwright.sync_api import expect

from tests.browser.visitor import Visitor


def test_a_call_can_be_tried_on_a_page_with_nothing_inline(visitor: Visitor):
    page = visitor.page
    answer = page.goto("/docs")
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    call = page.locator(".opblock", has=page.locator("[data-path='/api/languages']"))
    call.locator(".opblock-summary").click()

    call.get_by_role("button", name="Execute").click()

    expect(call.locator(".live-responses-table")).to_contain_text("python")


def test_the_api_can_be_read_offline(visitor: Visitor):
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/redoc")

    expect(page.get_by_role("heading", name="Upload code")).to_be_visible()
    own = page.evaluate("location.origin")
    assert not [url for url in asked if not url.startswith((own, "data:"))]
