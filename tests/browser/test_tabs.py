"""Several pages at once, and pages whose job is gone: connections are limited, and must not be wasted."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.support.processes import eventually

# Browsers open six connections to a server.
_TABS = 7
_COUNTING = """
import itertools, time
for number in itertools.count(1):
    print(number, flush=True)
    time.sleep(0.25)
"""
_SILENT = "import time; time.sleep(600)"
# Headless pages are never hidden.
_HIDDEN = "Object.defineProperty(Document.prototype, 'hidden', {get() { return Boolean(window.isHidden); }})"


def turn(page: Page, *, hidden: bool) -> None:
    """Do what happens when a visitor leaves a tab, or returns to it."""
    page.evaluate(f"window.isHidden = {str(hidden).lower()}")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def running(visitor: Visitor) -> Iterator[list[str]]:
    """Jobs that are cancelled at the end of the test."""
    jobs: list[str] = []
    yield jobs
    with visitor.server.http as http:
        for job in jobs:
            http.post(f"/api/cancel/{job}")


def test_hidden_tabs_leave_their_connections_to_others_and_continue_when_shown(
    visitor: Visitor, running: list[str]
):
    context, first = visitor.page.context, visitor.page
    context.add_init_script(_HIDDEN)
    running.append(visitor.upload(_COUNTING, execute=True, timeout_ms=120_000))
    address = f"/dashboard/jobs/{running[0]}"

    tabs = [first, *(context.new_page() for _ in range(_TABS - 1))]
    for tab in tabs:
        tab.goto(address)
        expect(tab.locator("[data-output] .row").first).to_have_text("1")
        turn(tab, hidden=True)
    before = first.locator("[data-output] .row").count()
    turn(first, hidden=False)

    rows = first.locator("[data-output] .row")
    assert eventually(lambda: rows.count() > before)
    numbers = [int(number) for number in rows.all_inner_texts()]
    assert numbers == list(range(1, len(numbers) + 1))
    turn(tabs[1], hidden=True)
    with visitor.server.http as http:
        http.post(f"/api/cancel/{running[0]}").raise_for_status()
    for tab in tabs[:2]:  # the title of a hidden page follows too
        expect(tab).to_have_title(re.compile("^Cancelled · "))
    turn(tabs[1], hidden=False)
    expect(tabs[1].locator("[data-ended]")).to_be_visible()


def test_runs_that_the_editor_no_longer_shows_leave_their_connections(visitor: Visitor, running: list[str]):
    page, run = visitor.page, visitor.page.get_by_role("button", name="Run", exact=True)
    visitor.open_project()
    page.locator("[name=timeout_ms]").fill("10 min")
    page.evaluate("code => window.editor.setValue(code)", _SILENT)
    run.click()
    for _ in range(_TABS):
        shown = visitor.live.get_attribute("data-follow")
        running.append(shown)
        with page.expect_response("**/run"):
            run.click()
        expect(page.locator(f"[data-follow='{shown}']")).to_have_count(0)
    running.append(visitor.live.get_attribute("data-follow"))

    visitor.live.get_by_role("button", name="Cancel").click()

    visitor.expect_status("Cancelled")


def test_the_page_of_a_deleted_job_asks_no_more(visitor: Visitor):
    page = visitor.page
    job = visitor.run("print(1)")
    # It is deleted after the page was made.
    page.route("**/output/*/lines", lambda route: route.fulfill(status=404))
    page.route(f"**/jobs/{job}/output", lambda route: route.fulfill(status=404))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/output") else None)

    page.goto(f"/dashboard/jobs/{job}")

    expect(page.locator("[data-note]")).to_contain_text("the job was deleted")
    expect(page.locator("#connection")).to_be_hidden()
    assert len(asked) == 2  # the stream, and why it was closed
