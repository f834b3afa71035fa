"""Takes the pictures of the pages that the README shows: `python -m tests.browser.pictures`."""

import tempfile
import time
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page

from tests.support.browser import browsing
from tests.support.service import ROOT, Server, environment, served

_TARGET = ROOT / "docs" / "screenshots"
_SIZE = {"width": 1200, "height": 480}  # at least: a page is taken whole
_PHONE = {"width": 390, "height": 844}
# What the charts of the cluster show: so many programs at once, so many times.
_WAVE, _WAVES, _WAVE_S = 30, 4, 20
_REPORT = """\
import sys
orders = [("tea", 3, 4.50), ("coffee", 5, 6.20), ("cocoa", 1, 5.80)]
for name, count, price in orders:
    print(f"{name:<8}{count:>3} x {price:>5.2f} = {count * price:>6.2f}", flush=True)
print("cocoa is nearly sold out", file=sys.stderr)
print(f"total{sum(c * p for _, c, p in orders):>20.2f}")
"""
_PROGRAMS = (
    ("import time\nfor n in range(3):\n    print('batch', n, flush=True)\n    time.sleep(0.2)\n", {}),
    (_REPORT, {"tags": {"team": "sales", "kind": "report"}}),
    ("raise SystemExit(3)", {"tags": {"team": "sales"}}),
    ("while True: pass", {"timeout_ms": 300}),
    ("print(sum(range(10**6)))", {"tags": {"kind": "check"}}),
)


def main() -> None:
    """Fill a service with something to see, and take the pictures."""
    _TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, served(environment(Path(directory))) as server:
        job_id = _fill(server)
        _take(server, job_id)


def _fill(server: Server) -> str:
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for name, description in (
            ("nightly-checks", "What has to hold every morning"),
            ("日報", "매일의 보고서"),
        ):
            http.post("/api/project", json={"project_name": name, "description": description})
    for project in ("日報", "nightly-checks", "shop-reports"):
        for code, more in _PROGRAMS:
            server.upload(code, project=project, execute=True, **more)
    pending = server.upload("print('later')", project="shop-reports")
    job = server.upload(
        _REPORT, project="shop-reports", execute=True, tags={"team": "sales", "kind": "report"}
    )
    server.job(job["job_id"], wait_s=60)
    assert pending["status"] == "PENDING"
    for _ in range(_WAVES):
        for _ in range(_WAVE):
            server.upload("import time\ntime.sleep(1)\n", project="nightly-checks", execute=True)
        time.sleep(_WAVE_S)
    return job["job_id"]


def _take(server: Server, job_id: str) -> None:
    project_id = server.http.get("/api/projects").json()[-1]["project_id"]
    pages = {
        "projects": "/dashboard",
        "project": f"/dashboard/projects/{project_id}",
        "job": f"/dashboard/jobs/{job_id}",
        "cluster": "/dashboard/cluster",
    }
    with browsing() as browser:
        for theme in ("light", "dark"):
            context = browser.new_context(viewport=_SIZE, color_scheme=theme)
            page = context.new_page()
            for name, path in pages.items():
                page.goto(server.url + path)
                _settle(page, name)
                page.screenshot(path=_TARGET / f"{name}-{theme}.png", full_page=True)
            context.close()
            _take_phone(browser, server.url + pages["job"], theme)


def _take_phone(browser: Browser, url: str, theme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport=_PHONE, color_scheme=theme)
    page = context.new_page()
    page.goto(url)
    _settle(page, "job")
    page.screenshot(path=_TARGET / f"job-phone-{theme}.png", full_page=True)
    context.close()


def _settle(page: Page, name: str) -> None:
    if name == "project":
        page.click("#run")
        page.wait_for_selector("#live [data-ended]", timeout=20_000)
        page.evaluate("scrollTo(0, 0)")  # where the header sticks
    page.wait_for_timeout(800)


if __name__ == "__main__":
    main()
