"""The cause for which nothing runs, on the first page, on a job's and in the banner."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.cluster import Cluster, running_servers
from tests.support.database_server import directory_in_memory
from tests.support.runner import hang
from tests.support.service import Server

_ONE_SLOT = {
    "SERVICE_SERVER_WORKER_THREADS": "1",
    "SERVICE_SERVER_LEASE_S": "3",
    "SERVICE_SERVER_RENEW_EVERY_S": "1",
    "SERVICE_SERVER_RESCUE_EVERY_S": "1",
}


@pytest.fixture(scope="module")
def cluster(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API and a worker with one slot, which runs programs on a runner."""
    assert browser.is_connected()
    directory = tmp_path_factory.mktemp("waits")
    with (
        directory_in_memory() as in_memory,
        running_servers(in_memory) as servers,
        Cluster(directory / "one_slot", servers, **_ONE_SLOT) as cluster,
    ):
        cluster.start(apis=1, workers=1)
        yield cluster


def test_pages_say_why_nothing_runs(page: Page, cluster: Cluster):
    runner = cluster.servers.runner
    service = Server(cluster.apis[0], cluster.urls[0])
    banner, first_page = page.locator("#engine-banner"), f"{service.url}/dashboard"

    # One program has the slot, and does not end.
    runner.behaviour = hang
    running = service.upload("1", execute=True)["job_id"]
    page.goto(f"{service.url}/dashboard/jobs/{running}")
    expect(page.locator(".job-title .badge")).to_have_text("Running")
    usage = page.get_by_role("region", name="Resources")
    expect(usage).to_contain_text("This engine reports usage only after the program has ended.")
    waiting = service.upload("2", execute=True)["job_id"]
    job_page = f"{service.url}/dashboard/jobs/{waiting}"
    page.goto(job_page)
    expect(page.locator("#state")).to_contain_text("Queued for a free worker, number 1 in line")
    page.goto(first_page)
    expect(page.locator("#waits")).to_contain_text("1 job queued. The only slot is in use.")
    expect(banner).to_have_text("")

    # The worker is paused; its lease ends.
    cluster.workers[0].freeze()
    expect(page.locator("#waits")).to_contain_text("No worker is running.")
    page.goto(job_page)
    expect(page.locator("#state")).to_contain_text("No worker is running.")
    cluster.workers[0].thaw()
    expect(page.locator("#state")).not_to_contain_text("No worker is running.")

    # The slot is free, and the engine is down.
    with runner.away(), service.http as http:
        http.post(f"/api/cancel/{running}").raise_for_status()
        expect(page.locator("#state")).to_contain_text(
            re.compile("Queued since .*: the engine is not responding or has no free slot.")
        )
        for path in (job_page, first_page, f"{service.url}/dashboard/cluster"):
            page.goto(path)
            expect(banner).to_have_text(
                f"The engine at {runner.url} is not responding. Jobs stay queued until it does."
            )
        page.goto(first_page)
        expect(page.locator("#waits")).to_contain_text("the engine is not responding or has no free slot.")
    expect(banner).to_have_text("")
