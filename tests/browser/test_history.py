"""The history of jobs: of a project on its page, and across projects."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor


def choose(page: Page, name: str, value: str) -> None:
    page.locator(f"#filters [name={name}]").select_option(value)


def test_an_empty_history_says_what_to_do(visitor: Visitor):
    visitor.open_project()

    expect(visitor.page.get_by_text("No jobs yet")).to_be_visible()


def test_the_history_updates_by_itself(visitor: Visitor):
    visitor.open_project()
    job_id = visitor.upload()

    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows.first).to_contain_text(job_id[-12:])


@pytest.mark.parametrize("focused", ["#job-{job_id}", "a.tag[title='team:blue']"])
def test_an_update_leaves_the_keyboard_where_it_was(visitor: Visitor, focused: str):
    job_id = visitor.upload(tags={"team": "blue"})
    visitor.open_project()
    focused = focused.format(job_id=job_id)
    visitor.page.locator(focused).focus()
    visitor.upload()

    expect(visitor.rows).to_have_count(2)
    expect(visitor.page.locator(focused)).to_be_focused()


def test_an_update_of_another_part_does_not_answer_for_the_one_with_the_keyboard(visitor: Visitor):
    visitor.upload(tags={"team": "blue"})
    visitor.open_project()
    tag = visitor.page.locator("a.tag[title='team:blue']")
    tag.focus()
    # Both parts are asked for; the other one ends first.
    tag.evaluate("""(tag) => {
      const part = tag.parentElement, other = document.createElement("div"), anew = part.cloneNode(true);
      const tell = (name, detail) => document.body.dispatchEvent(new CustomEvent(`htmx:${name}`, { detail }));
      tell("beforeSwap", { xhr: { status: 200 }, shouldSwap: true, target: part });
      tell("afterSwap", { elt: other, target: other });
      part.replaceWith(anew);
      tell("afterSwap", { elt: anew, target: part });
    }""")

    expect(tag).to_be_focused()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [("state", "failed", 1), ("language", "bash", 1), ("state", "running", 0)],
)
def test_filters_narrow_the_history(visitor: Visitor, name: str, value: str, found: int):
    visitor.run("raise SystemExit(1)")
    visitor.upload("echo", language="bash")
    visitor.upload()
    visitor.open_project()

    choose(visitor.page, name, value)

    expect(visitor.rows).to_have_count(found)
    expect(visitor.page).to_have_url(re.compile(f"{name}={value}"))


def test_a_tag_narrows_the_history(visitor: Visitor):
    visitor.upload(tags={"team": "blue"})
    visitor.upload(tags={"team": "red"})
    visitor.open_project()

    visitor.page.locator("#filters [name=tag]").press_sequentially("team:red")

    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows).to_contain_text("team:red")


def test_a_filter_is_part_of_the_address(visitor: Visitor):
    visitor.upload()
    visitor.page.goto(f"{visitor.project_url}?state=failed")

    expect(visitor.page.locator("#filters [name=state]")).to_have_value("failed")
    expect(visitor.page.get_by_text("No jobs match these filters.")).to_be_visible()


def test_the_history_is_paged(visitor: Visitor):
    first = visitor.upload()
    for _ in range(20):
        visitor.upload()
    visitor.open_project()
    expect(visitor.rows).to_have_count(20)

    visitor.page.get_by_role("link", name="Older").click()

    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows.first).to_contain_text(first[-12:])
    visitor.page.get_by_role("link", name="Newest").click()
    expect(visitor.rows).to_have_count(20)


def test_a_page_of_the_history_is_part_of_the_address(visitor: Visitor):
    first = visitor.upload()
    for _ in range(20):
        visitor.upload()
    visitor.open_project()
    visitor.page.get_by_role("link", name="Older").click()
    expect(visitor.page).to_have_url(re.compile("cursor="))

    visitor.page.reload()

    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows.first).to_contain_text(first[-12:])
    visitor.page.go_back()
    expect(visitor.rows).to_have_count(20)


def test_going_back_undoes_a_filter_and_leaves_the_rest_of_the_page(visitor: Visitor):
    visitor.upload()
    visitor.open_project()
    page = visitor.page
    page.evaluate("window.editor.setValue('print(6 * 7)')")
    choose(page, "state", "pending")
    expect(page).to_have_url(re.compile("state=pending"))
    choose(page, "language", "bash")
    expect(page.get_by_text("No jobs match these filters.")).to_be_visible()

    page.go_back()

    expect(visitor.rows).to_have_count(1)
    expect(page.locator("#filters [name=state]")).to_have_value("pending")
    expect(page.locator("#filters [name=language]")).to_have_value("")
    assert page.evaluate("Object.values(sessionStorage).join()").count("csrf") == 0
    page.get_by_role("button", name="Run", exact=True).click()
    expect(visitor.output).to_contain_text("42")


def test_a_tag_that_cannot_be_is_refused_beside_the_field(visitor: Visitor):
    visitor.upload()
    visitor.open_project()

    visitor.page.locator("#filters [name=tag]").press_sequentially("nosuch")

    expect(visitor.page.get_by_role("alert")).to_contain_text("name:value")
    visitor.page.locator("#filters [name=tag]").fill("")
    expect(visitor.page.get_by_role("alert")).to_be_hidden()
    expect(visitor.rows).to_have_count(1)


def test_ten_waiting_jobs_are_cancelled_with_the_keyboard_alone(visitor: Visitor):
    ids = [visitor.upload() for _ in range(10)]
    done = visitor.run("print(1)")
    page = visitor.page
    page.goto(f"/dashboard/jobs?project={visitor.project}&state=pending")
    expect(page.locator("#total")).to_have_text("10 jobs")

    page.keyboard.press("j")
    expect(page.locator(f"#job-{ids[-1]}")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(f"#select-{ids[-1]}")).to_be_checked()
    page.locator("#select-page").press("Space")
    page.get_by_role("button", name="Cancel", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Cancel 10 jobs")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#acted")).to_contain_text("10 jobs cancelled.")
    expect(page.get_by_text("No jobs match these filters.")).to_be_visible()
    found = {job: visitor.server.job(job)["status"] for job in [*ids, done]}
    assert found == {**dict.fromkeys(ids, "CANCELLED"), done: "SUCCESS"}


def test_yesterday_s_failures_of_a_tag_are_found(visitor: Visitor):
    failed = visitor.run("raise SystemExit(1)", tags={"team": visitor.project})
    visitor.run("raise SystemExit(1)", tags={"team": "other"})
    visitor.run("print(1)", tags={"team": visitor.project})
    page = visitor.page
    page.clock.set_fixed_time(datetime.now().astimezone() + timedelta(days=1))
    page.goto("/dashboard/jobs")

    page.get_by_role("link", name=f"team:{visitor.project}").first.click()
    expect(visitor.rows).to_have_count(2)
    page.get_by_role("link", name="Yesterday").click()
    expect(page.locator("#filters [name=since]")).not_to_have_value("")
    choose(page, "state", "failed")

    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows).to_contain_text(failed[-12:])
    expect(page.locator("#filters [name=tag]")).to_have_value(f"team:{visitor.project}")
    page.get_by_role("link", name="Today").click()
    expect(page.get_by_text("No jobs match these filters.")).to_be_visible()
    page.go_back()
    expect(visitor.rows).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.type(failed[:13])
    expect(page).to_have_url(re.compile(f"q={failed[:13]}"))
    page.keyboard.press("Escape")


def test_a_project_is_cleaned_up_and_deleted(visitor: Visitor):
    done = visitor.run("print(1)")
    waiting = [{"project": visitor.project, "code": "1", "language": "python", "execute": False}] * 101
    with visitor.server.http as http:  # more than one call acts on
        http.post("/api/batches", json={"jobs": waiting}).raise_for_status()
    page = visitor.page
    visitor.open_project()

    page.get_by_label("all 102 that match").check()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel 101 jobs").click()
    expect(page.locator("#acted")).to_contain_text("101 jobs cancelled.")
    choose(page, "state", "success")
    expect(visitor.rows).to_have_count(1)
    page.get_by_label("the 1 that matches").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete 1 job").click()
    expect(page.get_by_text("No jobs match these filters.")).to_be_visible()
    with visitor.server.http as http:
        assert http.get(f"/api/jobs/{done}").status_code == 404
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name=f"Delete {visitor.project} and its jobs").click()

    expect(page).to_have_url(re.compile("/dashboard$"))
    expect(page.get_by_role("link", name=visitor.project)).to_have_count(0)
