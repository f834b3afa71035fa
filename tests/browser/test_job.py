"""The page of one job."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.barriers import find_violations
from tests.browser.visitor import Visitor


def test_a_job_that_waits_says_for_what(visitor: Visitor):
    visitor.page.goto(f"/dashboard/jobs/{visitor.upload()}")

    expect(visitor.page.get_by_text("Uploaded. Select Execute to run it.")).to_be_visible()
    visitor.page.get_by_role("button", name="Execute").click()
    expect(visitor.page.locator(".job-title .badge")).to_have_text("Succeeded")
    expect(visitor.output).to_have_text("1\n")


def test_each_stage_has_its_time(visitor: Visitor):
    visitor.page.goto(f"/dashboard/jobs/{visitor.run('print(1)')}")

    expect(visitor.page.locator(".pipeline li")).to_have_count(4)
    expect(visitor.page.locator(".pipeline time")).to_have_count(4)
    expect(visitor.page.locator(".timeline")).to_contain_text("Exited with code 0")


def test_the_limit_that_was_reached_stands_out(visitor: Visitor):
    visitor.page.goto(f"/dashboard/jobs/{visitor.run('while True: pass', timeout_ms=200)}")

    expect(visitor.page.locator(".job-title .badge")).to_have_text("Timed out")
    expect(visitor.page.locator(".meters .hit")).to_contain_text("limit exceeded")


def test_a_job_can_be_run_again(visitor: Visitor):
    job_id = visitor.run("print(input())", stdin="once more", tags={"team": "blue"})
    visitor.page.goto(f"/dashboard/jobs/{job_id}")

    visitor.page.get_by_role("button", name="Run again").click()

    expect(visitor.output).to_have_text("once more\n")
    assert not visitor.page.url.endswith(job_id)


def test_a_double_click_sends_a_form_once(visitor: Visitor):
    page = visitor.page
    page.goto(f"/dashboard/jobs/{visitor.run('print(1)')}")
    again = page.get_by_role("button", name="Run again")
    again.locator("xpath=..").evaluate("""form => {
        window.sent = [];
        form.addEventListener("submit", (event) => { window.sent.push(event); event.preventDefault(); });
    }""")

    again.dblclick()

    assert page.evaluate("window.sent.length") == 1


def test_a_line_of_a_failed_job_is_fixed_and_run(visitor: Visitor):
    page = visitor.page
    page.goto(f"/dashboard/jobs/{visitor.run('print(1)' + chr(10) + 'print(unknown)')}")

    visitor.output.get_by_role("link", name="main.py").click()
    expect(page.locator(".code .marked .c")).to_have_text("print(unknown)\n")
    page.get_by_role("link", name="Edit and run").click()
    expect(page.locator(".CodeMirror-focused")).to_be_visible()
    page.keyboard.press("Shift+End")
    page.keyboard.type("wrong")
    page.keyboard.press("Control+Enter")
    visitor.expect_status("Failed")
    visitor.output.get_by_role("link", name="main.py").click()
    expect(page.locator(".CodeMirror-focused")).to_be_visible()
    page.keyboard.press("Shift+End")
    page.keyboard.type("print(2)")
    page.keyboard.press("Control+Enter")

    visitor.expect_status("Succeeded")
    expect(visitor.output.locator(".row")).to_have_text(["1", "2"])


def test_lines_of_code_have_addresses_and_are_reached_by_keyboard(visitor: Visitor):
    page = visitor.page
    files = [{"path": "src/a b.py", "content": "first = 1\nsecond = 2\n"}]
    code = "".join(f"print({number})\n" for number in range(30))
    page.goto(f"/dashboard/jobs/{visitor.run(code, files=files)}#src/a%20b.py:L2")
    marked = page.locator(".code .marked .c")
    expect(marked).to_have_text("second = 2\n")

    numbers = page.locator("[data-lines=L] .n")
    numbers.nth(3).click()
    expect(marked).to_have_text("print(3)\n")
    numbers.nth(5).click(modifiers=["Shift"])
    expect(marked).to_have_count(3)
    assert page.evaluate("location.hash") == "#L4-L6"
    page.go_back()
    expect(marked).to_have_text("second = 2\n")

    numbers.nth(5).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(marked).to_have_text("print(6)\n")
    assert page.evaluate("location.hash") == "#L7"


def test_an_empty_first_line_of_code_counts(visitor: Visitor):
    page = visitor.page
    page.goto(f"/dashboard/jobs/{visitor.run(chr(10) + 'print(unknown)')}")

    visitor.output.get_by_role("link", name="main.py").click()

    expect(page.locator(".code .marked .c")).to_have_text("print(unknown)\n")
    expect(page.locator(".code .n")).to_have_text(["1", "2"])


def test_two_runs_are_compared(visitor: Visitor):
    page = visitor.page
    first, second = (
        visitor.run(f"import sys\nfor i in range(20): print(i if i != 9 else '{word}')\nsys.exit({code})")
        for word, code in (("old", 0), ("new", 3))
    )
    page.goto(f"/dashboard/jobs/{second}")

    page.get_by_role("link", name="Compare", exact=True).click()
    page.get_by_role("link", name=first[-12:]).click()

    expect(page.locator("tr.differs").filter(has_text="Exit code")).to_contain_text("03")
    stdout = page.locator("section").filter(has=page.get_by_role("heading", name="stdout"))
    expect(stdout.locator(".removed .line")).to_have_text("old")
    expect(stdout.locator(".added .line")).to_have_text("new")
    expect(stdout.locator(".skipped .line")).to_have_text(["6 unchanged lines", "7 unchanged lines"])
    assert find_violations(page) == []


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_job_can_be_copied_as_curl(visitor: Visitor, scheme: str):
    page = visitor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/dashboard/jobs/{visitor.upload(chr(39) + 'quoted' + chr(39))}")
    page.evaluate("window.clipboard = navigator.clipboard")
    if scheme == "http":  # as it is on pages that are not of this machine
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")

    page.get_by_role("link", name="Copy as curl").click()

    expect(page.get_by_role("link", name="Copied")).to_be_visible()
    assert page.evaluate("window.clipboard.readText()").startswith("curl 'http://127.0.0.1:")


def test_an_unknown_job_says_so(visitor: Visitor):
    response = visitor.page.request.get("/dashboard/jobs/01890a5d-ac96-774b-bcce-b302099a8057")

    assert response.status == 404
    assert "does not exist" in response.text()


def test_the_cases_of_a_job_are_a_table_that_follows_along(visitor: Visitor):
    cases = [
        {"name": "right", "stdin": "1\n", "expected_stdout": "2\n"},
        {"name": "wrong", "stdin": "2\n", "expected_stdout": "5\n"},
        {"name": "<b>secret</b>", "stdin": "3\n", "expected_stdout": "6\n", "hidden": True},
    ]
    visitor.page.goto(f"/dashboard/jobs/{visitor.upload('print(int(input()) * 2)', cases=cases)}")
    expect(visitor.page.get_by_role("progressbar", name="Cases done")).to_be_visible()

    visitor.page.get_by_role("button", name="Execute").click()

    rows = visitor.page.locator("table.cases tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0).locator(".verdict")).to_have_text("accepted")
    expect(rows.nth(1)).to_contain_text("expected '5', found '4'")
    expect(rows.nth(2)).to_contain_text("<b>secret</b>")
    expect(visitor.page.locator("#cases [role=status]")).to_contain_text("2 of 3 passed · score 2 of 3")
    expect(visitor.page.locator(".job-title .badge")).to_have_text("Failed")
    expect(visitor.page.get_by_role("heading", name="Output")).to_be_hidden()


def test_the_title_and_the_icon_follow_the_run_and_its_time_ticks(visitor: Visitor):
    page = visitor.page
    page.goto(f"/dashboard/jobs/{visitor.upload('import time; time.sleep(2); exit(3)', execute=True)}")

    elapsed = page.locator("#state [data-elapsed]")
    expect(elapsed).to_have_text(re.compile(r"^\d+(\.\d)? (ms|s)$"))
    first = elapsed.text_content()
    expect(elapsed).not_to_have_text(first)
    expect(page).to_have_title(re.compile("^Failed · "))
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("icon-failed"))


def test_a_touch_shows_the_exact_time_with_its_offset_and_utc(visitor: Visitor):
    visitor.upload()
    page = visitor.page
    page.goto(visitor.project_url)

    time = visitor.rows.first.locator("time")
    time.click()

    expect(time).to_have_text(re.compile(r"[+\u2212]\d\d:\d\d \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)$"))
    time.click()
    expect(time).to_have_text(re.compile("now|ago"))


@pytest.mark.parametrize(("language", "run"), [("한국어", "실행"), ("日本語", "実行")])
def test_the_chooser_changes_the_language_of_pages_and_scripts(visitor: Visitor, language: str, run: str):
    visitor.open_project()
    page = visitor.page
    page.get_by_role("button", name=language).click()

    page.get_by_role("button", name=run, exact=True).click()

    expect(visitor.live.locator(".badge")).to_have_text(re.compile("성공|成功"))
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
