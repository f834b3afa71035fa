"""The usage of a program while it runs, at its meters and in its panel."""

import re

from playwright.sync_api import expect

from tests.browser.visitor import Visitor

_SLEEPS = "import time\ntime.sleep(60)\n"


def test_the_usage_of_a_program_is_shown_while_it_runs(visitor: Visitor):
    page, job = visitor.page, visitor.upload(_SLEEPS, execute=True, timeout_ms=90_000)

    page.goto(f"/dashboard/jobs/{job}")

    memory = page.locator("[data-meter=memory_mb]")
    expect(memory).to_contain_text(re.compile(r"\d+(\.\d)? MiB of 256 MiB"))
    expect(memory.locator("meter")).not_to_have_attribute("value", "0")
    expect(page.locator("[data-meter=timeout_ms]")).to_contain_text(re.compile(r"\d\.\d s of 1 min 30 s"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-meter]")).to_have_count(0)


def test_the_panel_of_a_run_has_its_usage(visitor: Visitor):
    visitor.run_in_editor(_SLEEPS)

    usage = visitor.live.locator("[data-usage]")
    expect(usage).to_contain_text(re.compile(r"CPU \d+ ms · "))
    visitor.live.get_by_role("button", name="Cancel").click()
    expect(usage).to_have_text("")
