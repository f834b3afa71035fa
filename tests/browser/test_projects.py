"""The first page, and the cluster's."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.visitor import Visitor
from tests.support.service import Server, environment, served


@pytest.fixture
def fresh_server(browser: Browser, tmp_path) -> Iterator[Server]:
    assert browser.is_connected()
    with served(environment(tmp_path)) as server:
        yield server


def test_an_empty_service_says_what_to_do(fresh_server: Server, page: Page):
    page.goto(fresh_server.url)

    expect(page.get_by_role("heading", name="No projects yet")).to_be_visible()
    assert page.url.endswith("/dashboard")


def test_a_project_is_created_and_archived(visitor: Visitor):
    page = visitor.page
    page.goto("/dashboard")
    page.get_by_text("New project").click()
    page.get_by_role("textbox", name="Name").fill(visitor.project)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(visitor.project)

    page.get_by_text("Archive…").click()
    expect(page.get_by_text("It can be restored at any time.")).to_be_visible()
    page.get_by_role("button", name=f"Archive {visitor.project}").click()

    expect(page.get_by_text("This project is archived")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()


def test_a_link_from_another_site_invalidates_no_open_form(visitor: Visitor, context: BrowserContext):
    page = visitor.page
    page.goto("/dashboard")
    page.get_by_text("New project").click()
    page.get_by_role("textbox", name="Name").fill(visitor.project)

    other = context.new_page()
    here = page.url
    other.goto(here.replace("127.0.0.1", "localhost"))
    other.evaluate("url => { location = url }", here)
    other.wait_for_url(here)

    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(visitor.project)


def test_a_name_that_cannot_be_is_refused_beside_the_form(visitor: Visitor):
    page = visitor.page
    page.goto("/dashboard")
    page.get_by_text("New project").click()
    page.get_by_role("textbox", name="Name").fill("12345")
    page.get_by_role("button", name="Create project").click()

    expect(page.get_by_role("alert")).to_contain_text("all digits")


def test_projects_count_their_jobs_and_update_by_themselves(visitor: Visitor):
    visitor.upload()
    visitor.page.goto("/dashboard")
    project = visitor.page.locator(".projects > li", has_text=visitor.project)
    expect(project).to_contain_text("1 Pending")

    visitor.run("print(1)")

    expect(project).to_contain_text("1 Succeeded")
    expect(project.get_by_role("img")).to_have_attribute(
        "aria-label", "Jobs in each of the last 12 hours: " + "0, " * 11 + "2"
    )


def test_the_cluster_shows_its_engine_and_its_figures(visitor: Visitor):
    visitor.run("print(1)")
    page = visitor.page
    page.goto("/dashboard/cluster")

    expect(page.locator("#engine")).to_contain_text("local engine")
    expect(page.locator(".health")).to_contain_text("database healthy")
    expect(page.locator("figure", has_text="Success rate").locator("figcaption")).to_contain_text("Succeeded")
    expect(page.locator(".chart canvas")).to_have_count(6)
    expect(page.get_by_text("CPUUtilization")).to_be_visible()
    queue = page.locator("figure", has_text="Jobs queued")
    expect(queue.locator("figcaption")).to_contain_text("Queued 0 at")
    queue.get_by_text("As a table").click()
    expect(queue.locator("details tbody tr").first).to_have_text(re.compile(r"\d\d:\d\d00$"))
    page.get_by_label("Last").select_option("7 days")
    expect(page.locator(".chart canvas")).to_have_count(6)


def test_a_chart_that_cannot_be_read_says_so(context: BrowserContext):
    page = context.new_page()  # one that may complain of what is refused
    away = {"detail": "the metrics are away"}
    page.route("**/history?*", lambda route: route.fulfill(status=503, json=away))
    page.route("**/outcomes?*", lambda route: route.fulfill(status=500))
    page.goto("/dashboard/cluster")

    expect(page.locator("figure", has_text="CPU and memory")).to_contain_text("the metrics are away")
    expect(page.locator("figure", has_text="Success rate")).to_contain_text("HTTP status 500")
    expect(page.locator("#engine")).to_contain_text("local engine")
