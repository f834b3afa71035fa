"""The output of a job, as pages of logs have it."""

import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.support.processes import eventually

LINES = 100_000
LARGE = f"""
import sys
for number in range(1, {LINES} + 1):
    end = " needle" if number in (5, 77777) else ""
    sys.stdout.write(f"\\x1b[32m{{number:06}}\\x1b[0m {{'x' * 90}}{{end}}\\n")
print("last words")
"""
# More than a page has rows for, and less than the feed keeps: none of it is skipped, however slow the page
# is. A colour is set once, long before.
LASTING = """
import sys, time
for number in range(1, 6_001):
    end = " needle" if number in (5, 5_777) else ""
    sys.stdout.write(f"\\x1b[32m{number:06}\\x1b[0m {'x' * 90}{end}\\n")
print("\\x1b[1;31m", end="")
for number in range(1, 20_001):
    print("coloured", number)
print("the end", flush=True)
time.sleep(600)
"""
PROGRESS = """
import time
for number in range(200):
    print("line", number)
print("10 %", end="\\r", flush=True)
time.sleep(1)
print("done")
"""
# Each line is written once the service has read the line before (its pipe is empty), and some time later.
IN_TURN = """
import fcntl, sys, termios, time
for number in (1, 2):
    for stream in (sys.stdout, sys.stderr):
        print(stream.name, number, file=stream, flush=True)
        while any(fcntl.ioctl(stream, termios.FIONREAD, bytes(4))):
            time.sleep(0.001)
        time.sleep(0.1)
"""
# The numbers of the lines that are in sight, once there are some.
_SEEN = """
() => {
    if (document.querySelector("[data-follow]").panel.view.isUpdating) return null;
    const box = document.querySelector("[data-output]"), {top, bottom} = box.getBoundingClientRect();
    const places = [...box.querySelectorAll(".row")].map((row) => [row, row.getBoundingClientRect()])
        .filter(([_row, place]) => place.bottom > top + 1 && place.top < bottom - 1);
    return places.length ? places.map(([row]) => Number(row.querySelector(".n").dataset.n)) : null;
}
"""
_ROWS = "() => document.querySelectorAll('[data-output] .row').length"


def seen(page: Page) -> list[int]:
    found: list[list[int]] = []
    # Not by a function that the page waits for: its policy forbids the evaluation of a text.
    assert eventually(lambda: (rows := page.evaluate(_SEEN)) is not None and not found.append(rows))
    return found[-1]


def test_a_line_of_a_large_output_has_an_address_and_all_of_it_is_found_by_scrolling(visitor: Visitor):
    page = visitor.page
    job_url = f"/dashboard/jobs/{visitor.run(LARGE)}"
    page.goto(job_url)
    expect(visitor.output.locator(".row").first).to_have_text(f"000001 {'x' * 90}")
    expect(visitor.output.locator(".fg-2").first).to_have_text("000001")

    # Somebody finds a line, and hands its address to somebody else.
    page.get_by_label("Search the output").fill("NEEDLE")
    page.keyboard.press("Enter")
    expect(page.locator("[data-found]")).to_have_text("1 of 2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-found]")).to_have_text("2 of 2")
    expect(visitor.output.locator(".found mark")).to_have_text("needle")
    visitor.output.get_by_role("link", name="Line 77777 of stdout").click()
    expect(page).to_have_url(re.compile("#stdout-L77777$"))

    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".row.marked")).to_contain_text("077777")
    expect(other.get_by_role("link", name="Line 77777 of stdout")).to_be_focused()
    assert 77_777 in seen(other)
    other.keyboard.press("ArrowDown")
    expect(other.get_by_role("link", name="Line 77778 of stdout")).to_be_focused()

    visitor.output.hover()
    for _ in range(12):
        page.mouse.wheel(0, 1_000)
        lines = seen(page)
        assert len(lines) > 10
        assert lines == list(range(lines[0], lines[0] + len(lines)))
    assert lines[0] > 77_777
    page.get_by_role("button", name="Jump to the end").click()
    expect(visitor.output).to_contain_text("last words")
    page.evaluate("box => box.scrollTop = box.scrollHeight / 2", visitor.output.element_handle())
    expect(visitor.output.locator(".row").first).to_have_text(re.compile("^0[45]"))
    assert LINES * 0.4 < seen(page)[0] < LINES * 0.6
    assert page.evaluate(_ROWS) <= 500


def test_all_of_a_large_output_is_there_while_its_program_runs(visitor: Visitor):
    # Given the page of a job whose program writes much, and does not end
    page = visitor.page
    job = visitor.upload(LASTING, timeout_ms=120_000)
    page.goto(f"/dashboard/jobs/{job}")
    page.get_by_role("button", name="Execute").click()
    last = visitor.output.locator(".row").last

    # Then its end is followed, in few rows
    expect(last).to_have_text("the end")
    assert page.evaluate(_ROWS) <= 500
    expect(page.locator(".job-title .badge")).to_have_text("Running")

    # And its beginning, a line, a text and colours that were set long before are there
    page.evaluate("box => box.scrollTop = 0", visitor.output.element_handle())
    expect(visitor.output.locator(".row").first).to_have_text(f"000001 {'x' * 90}")
    page.locator("[data-line]").fill("3000")
    page.locator("[data-line]").press("Enter")
    expect(visitor.output.get_by_role("link", name="Line 3000 of stdout")).to_be_focused()
    expect(visitor.output.locator(".row.marked")).to_contain_text("003000")
    page.get_by_label("Search the output").fill("needle")
    page.keyboard.press("Enter")
    expect(page.locator("[data-found]")).to_have_text("2 of 2")
    expect(visitor.output.locator(".found")).to_contain_text("005777")
    page.get_by_label("Search the output").fill("coloured 15000")
    page.keyboard.press("Enter")
    expect(visitor.output.locator(".found .bold.fg-1").first).to_have_text("coloured 15000")
    lines = seen(page)

    # And what comes leaves the place, and so does the end
    with visitor.server.http as http:
        http.post(f"/api/cancel/{job}").raise_for_status()
    expect(page.locator(".job-title .badge")).to_have_text("Cancelled")
    expect(page.locator("[data-ended]")).to_be_visible()
    assert set(lines) & set(seen(page))
    expect(visitor.output.locator(".fg-1").first).to_be_visible()


def test_live_output_is_followed_unless_one_scrolls_up(visitor: Visitor):
    page = visitor.page
    visitor.run_in_editor(PROGRESS)
    expect(visitor.output).to_contain_text("10 %")
    box = visitor.output.element_handle()
    assert page.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight < 40", box)

    page.evaluate("box => box.scrollTop = 0", box)

    expect(visitor.output.locator(".row").last).to_have_text("done")
    assert page.evaluate("box => box.scrollTop", box) == 0
    page.get_by_role("button", name="Jump to the end").click()
    expect(visitor.output.locator(".row").last).to_be_in_viewport()
    assert seen(page)[-1] == 201
    page.get_by_label("Times").check()
    expect(visitor.output.locator(".at").last).to_have_attribute(
        "data-at", re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$")
    )
    page.get_by_label("Streams").select_option("stderr")
    expect(visitor.output.locator(".row").first).to_be_hidden()


def test_both_streams_are_in_the_order_in_which_they_came_with_their_times(visitor: Visitor):
    page = visitor.page
    page.goto(f"/dashboard/jobs/{visitor.run(IN_TURN)}")
    rows = visitor.output.locator(".row")
    expect(rows).to_have_text(["<stdout> 1", "<stderr> 1", "<stdout> 2", "<stderr> 2"])

    page.get_by_label("Times").check()
    page.get_by_label("Wrap lines").uncheck()
    page.reload()

    expect(rows).to_have_count(4)
    expect(rows.first.locator(".at")).to_be_visible()
    times = rows.locator(".at").evaluate_all("cells => cells.map((cell) => cell.dataset.at)")
    assert times == sorted(set(times))
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", time) for time in times)
    expect(page.get_by_label("Wrap lines")).not_to_be_checked()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).last.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == rows.all_inner_texts()
    page.get_by_label("Streams").select_option("stderr")
    expect(rows).to_have_text(["<stderr> 1", "<stderr> 2"])
