"""A run that is followed on a phone, by touch."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.visitor import Visitor
from tests.support.service import Server

_PHONE = {"width": 390, "height": 844}
# A line that is wider than the screen, and more lines than it has room for.
_PROGRAM = """
import time
print("wide", "x" * 300, flush=True)
for number in range(1, 400):
    print("line", number, flush=True)
    time.sleep(0.01)
time.sleep(600)
"""


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=server.url, viewport=_PHONE, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    yield context
    context.close()


def width(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth")


def test_a_run_is_followed_from_a_phone(visitor: Visitor):
    page = visitor.page
    job_id = visitor.upload(_PROGRAM, execute=True, timeout_ms=120_000)

    # Somebody opens the page of the project, and then the job's.
    page.goto(visitor.project_url)
    assert width(page) == _PHONE["width"]
    page.locator(f"#job-{job_id}").tap()

    # The output is below the state of the job, and scrolls along by itself as it arrives.
    expect(page.locator(".job-title .badge")).to_have_text("Running")
    expect(page.locator("[data-streams]")).to_be_in_viewport()
    visitor.output.scroll_into_view_if_needed()
    expect(visitor.output.locator(".row").last).to_have_text("line 399")
    expect(visitor.output.locator(".row").last).to_be_in_viewport()
    assert width(page) == _PHONE["width"]

    # Without wrapped lines only the box of the output scrolls sideways.
    page.get_by_label("Wrap lines").tap()
    box = "box => [box.scrollWidth > box.clientWidth, document.documentElement.scrollWidth]"
    assert page.evaluate(box, visitor.output.element_handle()) == [True, _PHONE["width"]]
    page.get_by_role("button", name="Cancel").tap()
    expect(page.locator(".job-title .badge")).to_have_text("Cancelled")
    assert width(page) == _PHONE["width"]
