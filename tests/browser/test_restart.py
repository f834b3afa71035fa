"""The server goes away and comes back while a page is open."""

from playwright.sync_api import Browser, expect

from tests.support.ports import free_port
from tests.support.service import environment, served

CODE = "print('still here')"


def test_a_page_survives_a_restart_of_the_server(browser: Browser, tmp_path):
    port = free_port()
    settings = environment(tmp_path, SERVICE_SERVER_DRAIN_S=1)
    context = browser.new_context()
    page = context.new_page()
    with served(settings, port) as server:
        job_id = server.upload(CODE, project="demo")["job_id"]
        page.goto(f"{server.url}/dashboard/jobs/{job_id}")
        expect(page.get_by_text("Uploaded. Select Execute to run it.")).to_be_visible()
        server.stop()
    expect(page.get_by_text("The server is not responding")).to_be_visible()

    with served(settings, port) as server:
        expect(page.get_by_text("The server is not responding")).to_be_hidden()
        server.execute(job_id)
        expect(page.locator(".job-title .badge")).to_have_text("Succeeded")
        expect(page.locator("[data-output]")).to_have_text("still here\n")
    context.close()
