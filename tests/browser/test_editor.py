"""Running a program from the page of its project."""

import io
import zipfile

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.visitor import Visitor
from tests.support.processes import eventually
from tests.support.service import Server

SLOW = """\
import time
for number in (1, 2, 3):
    print("line", number, flush=True)
    time.sleep(1)
"""
ENDLESS = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)\n"


def test_output_appears_line_by_line_while_the_program_runs(visitor: Visitor):
    visitor.run_in_editor(SLOW)

    expect(visitor.output).to_contain_text("line 1")
    assert "line 3" not in visitor.output.inner_text()
    visitor.expect_status("Running")
    visitor.expect_status("Succeeded")
    assert visitor.output.inner_text().splitlines() == ["line 1", "line 2", "line 3"]


def test_a_program_can_be_cancelled_where_it_is_seen(visitor: Visitor):
    visitor.run_in_editor(ENDLESS)
    expect(visitor.output).to_contain_text("begun")

    visitor.page.get_by_role("button", name="Cancel").click()

    visitor.expect_status("Cancelled")
    expect(visitor.page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_stdout_and_stderr_are_told_apart(visitor: Visitor):
    visitor.run_in_editor("import sys\nprint('good')\nprint('bad', file=sys.stderr)\n")

    expect(visitor.output.locator(".stdout")).to_have_text("good\n")
    expect(visitor.output.locator(".stderr")).to_have_text("bad\n")


def test_stdin_and_limits_go_with_the_program(visitor: Visitor):
    visitor.open_project()
    page = visitor.page
    page.evaluate("window.editor.setValue('print(input()[::-1])')")
    page.get_by_label("Standard input").fill("olleh")
    page.get_by_label("Memory").fill("64")
    page.locator("#editor").get_by_label("Tags").fill("team:blue")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(visitor.output).to_contain_text("hello")
    expect(visitor.rows.first).to_contain_text("team:blue")


def test_what_is_wrong_with_the_form_is_said_beside_it(visitor: Visitor):
    visitor.open_project()
    visitor.page.locator("#editor").get_by_label("Tags").fill("no colon")
    visitor.page.get_by_role("button", name="Run", exact=True).click()

    expect(visitor.page.get_by_role("alert")).to_contain_text("write them as name:value")


@pytest.mark.parametrize(
    ("status", "said"),
    [(500, "The service failed"), (502, "HTTP status 502"), (None, "cannot be reached")],
)
def test_a_run_that_fails_says_so_and_keeps_saying_so(
    context: BrowserContext, server: Server, status: int | None, said: str
):
    page = context.new_page()  # one that may complain of what is refused
    Visitor(page, server).open_project()
    ours = {"x-request-id": "r-1"} if status != 502 else {}
    page.route(
        "**/run",
        lambda route: (
            route.abort()
            if status is None
            else route.fulfill(
                status=status, headers=ours, body=f'<div class="alert" role="alert">{said}</div>'
            )
        ),
    )
    with page.expect_response(lambda response: "/jobs?seen" in response.url):
        page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_the_keyboard_runs_the_program(visitor: Visitor):
    visitor.open_project()
    visitor.page.evaluate("window.editor.setValue('print(6 * 7)'); window.editor.focus()")
    visitor.page.keyboard.press("Control+Enter")

    expect(visitor.output).to_contain_text("42")


def test_two_tabs_see_the_same(visitor: Visitor):
    visitor.run_in_editor(ENDLESS)
    expect(visitor.output).to_contain_text("begun")
    other = visitor.page.context.new_page()
    other.goto(visitor.project_url)
    other.locator("#history tbody a").first.click()
    expect(other.locator("[data-output]")).to_contain_text("begun")

    other.get_by_role("button", name="Cancel").click()

    visitor.expect_status("Cancelled")
    expect(other.locator(".job-title .badge")).to_have_text("Cancelled")


def test_files_are_written_renamed_removed_and_dropped_beside_the_program(visitor: Visitor):
    # Given the editor with files: one written, one added, one that is removed again, and an archive
    visitor.open_project()
    page = visitor.page
    code = "import os\nfor name in sorted(os.listdir('.')): print(name, os.path.getsize(name))"
    page.evaluate("code => window.editor.setValue(code)", code)
    page.get_by_text("Files", exact=True).click()
    page.get_by_role("button", name="New file").click()
    page.get_by_label("Path").last.fill("written.txt")
    page.get_by_label("Content of").last.fill("12345")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("unpacked.txt", "123")
    page.get_by_label("Add files").set_input_files(
        [
            {"name": "added.bin", "mimeType": "application/octet-stream", "buffer": b"\0\xff"},
            {"name": "removed.txt", "mimeType": "text/plain", "buffer": b"x"},
            {"name": "more.zip", "mimeType": "application/zip", "buffer": archive.getvalue()},
        ]
    )
    page.get_by_role("button", name="Remove removed.txt").click()

    # When the program is run
    page.get_by_role("button", name="Run", exact=True).click()

    # Then it has them
    visitor.expect_status("Succeeded")
    expected = {"added.bin 2", "unpacked.txt 3", "written.txt 5", f"main.py {len(code)}"}
    assert set(visitor.output.inner_text().splitlines()) == expected


def test_cases_are_written_and_run_and_their_grid_has_the_differences(visitor: Visitor):
    # Given the editor with two cases, of which one was removed and written anew
    visitor.open_project()
    page = visitor.page
    page.evaluate("code => window.editor.setValue(code)", "print(2 * int(input()))")
    page.get_by_text("Cases", exact=True).click()
    for stdin, expected in (("1", "2"), ("7", "7"), ("2", "5")):
        page.get_by_role("button", name="New case").click()
        page.get_by_label("Input", exact=True).last.fill(stdin)
        page.get_by_label("Expected output").last.fill(expected)
    page.get_by_role("button", name="Remove case 2").click()
    page.get_by_label("Name of the case").last.fill("wrong")
    expect(page.get_by_label("Language of the checker")).to_be_hidden()
    page.locator("[name=checker]").select_option("program")
    expect(page.get_by_label("Language of the checker")).to_be_visible()
    page.locator("[name=checker]").select_option("tokens")

    # When the program is run
    page.get_by_role("button", name="Run", exact=True).click()

    # Then the grid beside the editor follows to the end, and has the difference
    visitor.expect_status("Failed")
    grid = page.get_by_role("region", name="Results of the cases")
    expect(grid.get_by_role("row")).to_have_count(3)
    expect(grid.get_by_role("row").nth(1)).to_contain_text("accepted")
    expect(grid.get_by_role("row").nth(2)).to_contain_text("wrong answer")
    expect(grid.get_by_role("row").nth(2)).to_contain_text("expected '5', found '4'")
    expect(page.get_by_text("1 of 2 passed")).to_be_visible()


def test_a_draft_survives_reload_back_and_a_restart_until_it_is_discarded(
    browser: Browser, server: Server, visitor: Visitor
):
    # Given a program that was typed, with an input and a variable
    page = visitor.page
    url = visitor.project_url
    page.goto(url)
    draft = page.locator("#draft")
    expect(draft).to_be_hidden()
    page.evaluate("window.editor.setValue('print(input())')")
    page.get_by_label("Standard input").fill("typed")
    page.get_by_text("Arguments and environment").click()
    page.get_by_role("button", name="New variable").click()
    page.get_by_label("Name of the variable").fill("NAME")
    page.get_by_label("Value of the variable").fill("value")
    expect(draft).to_contain_text("Draft")

    def assert_is_there(shown: Page) -> None:
        expect(shown.locator("#draft")).to_be_visible()
        assert shown.evaluate("window.editor.getValue()") == "print(input())"
        expect(shown.get_by_label("Standard input")).to_have_value("typed")
        expect(shown.get_by_label("Value of the variable")).to_have_value("value")

    # Then it is there after a reload, Back, and in another browser that has the storage of this one
    kept = "Object.values(localStorage).some((kept) => kept.includes('\"value\"'))"
    assert eventually(lambda: page.evaluate(kept))
    page.reload()
    assert_is_there(page)
    page.goto("/dashboard")
    page.go_back()
    assert_is_there(page)
    later = browser.new_context(base_url=server.url, storage_state=page.context.storage_state())
    other = later.new_page()
    other.goto(url)
    assert_is_there(other)
    later.close()

    # And each language has its own, whose author is asked before it goes
    page.get_by_role("combobox", name="Language", exact=True).first.select_option("bash")
    assert page.evaluate("window.editor.getValue()").startswith("for number")
    expect(page.locator("#notices")).to_contain_text("The Python code is in a draft of its own.")
    page.get_by_role("button", name="Use it here").click()
    assert page.evaluate("window.editor.getValue()") == "print(input())"
    page.get_by_role("combobox", name="Language", exact=True).first.select_option("python")
    assert_is_there(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard draft").click()
    assert page.evaluate("window.editor.getValue()").startswith("import time")
    page.reload()
    expect(page.get_by_label("Standard input")).to_have_value("")


def test_a_tab_says_that_another_one_changed_the_draft(visitor: Visitor):
    page = visitor.page
    visitor.open_project()
    other = page.context.new_page()
    other.goto(page.url)

    other.evaluate("window.editor.setValue('print(2)')")

    page.get_by_role("button", name="Load the other version").click()
    assert page.evaluate("window.editor.getValue()") == "print(2)"
    expect(page.get_by_role("button", name="Load the other version")).to_be_hidden()


def test_drafts_are_few_and_small(visitor: Visitor):
    page = visitor.page
    visitor.open_project()
    drafts = "Object.keys(localStorage).filter((key) => key.startsWith('draft:'))"
    page.evaluate(
        """() => {
            const parts = { code: "", fields: {}, env: [], files: [], cases: [] };
            for (let saved = 1; saved <= 40; saved++) {
                localStorage.setItem(`draft:${1e9 + saved}::python`, JSON.stringify({ saved, parts }));
            }
        }"""
    )

    page.evaluate("window.editor.setValue('print(1)')")
    expect(page.locator("#draft")).to_contain_text("kept in this browser")
    page.evaluate("window.editor.setValue('#'.repeat(600000))")
    expect(page.locator("#draft")).to_contain_text("Too large")

    kept = page.evaluate(drafts)
    assert len(kept) == 30
    assert "draft:1000000011::python" not in kept
    assert "draft:1000000012::python" in kept
    assert "print(1)" in page.evaluate("Object.values(localStorage).join()")


def test_tab_indents_escape_leaves_and_alt_enter_shows_the_editor_alone(visitor: Visitor):
    page = visitor.page
    visitor.open_project()
    page.evaluate("window.editor.setValue('if 1:\\n'); window.editor.focus(); window.editor.setCursor(1, 0)")
    for key in ("Tab", "x"):
        page.keyboard.press(key)
    assert page.evaluate("window.editor.getValue()") == "if 1:\n    x"
    for key in ("Escape", "Tab"):
        page.keyboard.press(key)
    expect(page.get_by_label("Standard input")).to_be_focused()
    assert page.evaluate("window.editor.getValue()") == "if 1:\n    x"

    page.keyboard.press("Alt+Enter")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "true")
    out_of_reach = "document.getElementById('history-title').closest('[inert]') !== null"
    assert page.evaluate(out_of_reach)
    box = page.locator("#editing").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1200, 860)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "false")
    assert not page.evaluate(out_of_reach)


def test_a_line_of_a_job_is_fixed_and_the_two_runs_are_compared(visitor: Visitor):
    # Given a job that fails
    files = [{"path": "data.txt", "content": "first"}]
    code = "import sys\nprint(sys.argv[1], open('data.txt').read())\nprint(wrong)"
    job_id = visitor.run(code, args=["a b"], files=files)
    page = visitor.page
    page.goto(f"{visitor.project_url}/edit?from={job_id}")
    expect(page.locator(".cm-keyword").first).to_have_text("import")

    # When its last line and its file are changed, and it is run, twice
    page.evaluate("window.editor.replaceRange('7', {line: 2, ch: 6}, {line: 2, ch: 11})")
    page.get_by_role("button", name="Run", exact=True).click()
    visitor.expect_status("Succeeded")
    expect(visitor.output).to_contain_text("a b first")
    page.get_by_role("button", name="Edit data.txt").click()
    page.get_by_label("Content of data.txt").fill("second")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(visitor.output).to_contain_text("a b second")

    # Then both outputs stand side by side, and their difference
    expect(page.locator(".run-list .badge.success")).to_have_count(2)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_label("Earlier stdout")).to_have_text("a b first\n7\n")
    expect(page.get_by_label("Later stdout")).to_have_text("a b second\n7\n")
    difference = page.get_by_role("group", name="Difference of stdout")
    expect(difference.locator(".added")).to_contain_text("second")
