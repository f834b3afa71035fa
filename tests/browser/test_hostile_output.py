"""A program's output is text, and nothing else."""

from playwright.sync_api import expect

from tests.browser.visitor import Visitor

HOSTILE = r"""
import sys
print("<script>document.title = 'owned'</script><img src=x onerror=alert(1)>")
print("\x1b[31mred\x1b[0m \x1b]8;;https://example.com\x07link\x1b]8;;\x07 \u202eback")
print("javascript:alert(1) https://example.com/ &lt;b&gt; {{ 7 * 7 }}")
sys.stdout.flush()
sys.stdout.buffer.write(b"\xff\xfe broken\n")
print("</pre></div><h1>broken out</h1>", file=sys.stderr)
"""


def check_inert(visitor: Visitor) -> None:
    page = visitor.page
    expect(visitor.output).to_contain_text(
        "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
    )
    expect(visitor.output.locator(".fg-1")).to_have_text("red")
    expect(visitor.output).to_contain_text("red link U+202Eback")
    expect(visitor.output).to_contain_text("\ufffd\ufffd broken")
    expect(visitor.output).to_contain_text("&lt;b&gt; {{ 7 * 7 }}")
    expect(visitor.output).to_contain_text("</pre></div><h1>broken out</h1>")
    text = visitor.output.inner_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "owned" not in page.title()
    assert visitor.output.locator("img, script, h1, .row[style], .row [style]").count() == 0
    # Links are the numbers of lines alone.
    assert visitor.output.locator("a:not(.n)").count() == 0


def test_markup_escape_codes_and_broken_text_do_nothing_while_running(visitor: Visitor):
    visitor.run_in_editor(HOSTILE)

    visitor.expect_status("Succeeded")
    check_inert(visitor)


def test_markup_escape_codes_and_broken_text_do_nothing_afterwards(visitor: Visitor):
    visitor.page.goto(f"/dashboard/jobs/{visitor.run(HOSTILE)}")

    check_inert(visitor)
    source = visitor.page.locator("pre.source").text_content()
    assert "<script>document.title" in source


def test_hostile_names_are_shown_as_they_are(visitor: Visitor):
    visitor.project = f"<img src=x onerror=alert(1)>{visitor.project}"
    visitor.upload(tags={"kind": "<b>bold</b>"}, description="<script>alert(1)</script>")
    visitor.open_project()

    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(visitor.project)
    expect(visitor.rows.first).to_contain_text("<b>bold</b>")


def test_ten_megabytes_leave_the_page_light(visitor: Visitor):
    visitor.run_in_editor(
        "for n in range(100_000):\n    print(f'{n:06} ' + 'x' * 97)\nprint('the last line', flush=True)\n"
    )

    visitor.expect_status("Succeeded")
    shown = visitor.output.evaluate("element => element.textContent.length")
    assert 0 < shown < 210_000
    visitor.live.get_by_role("link", name="Open job").click()
    visitor.page.get_by_role("button", name="Jump to the end").click()
    expect(visitor.output).to_contain_text("the last line")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download stdout").click()
    assert download.value.path().stat().st_size == 100_000 * 105 + len("the last line\n")
