from uuid import uuid4

from playwright.sync_api import Locator, Page, expect

from tests.support.service import Server


class Visitor:
    """Somebody who looks at the pages, in a project of their own."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.project = f"project-{uuid4().hex[:8]}"

    @property
    def project_url(self) -> str:
        with self.server.http as http:
            made = http.post("/api/project", json={"project_name": self.project})
        return f"/dashboard/projects/{made.json()['project_id']}"

    @property
    def live(self) -> Locator:
        """The panel of a program's output."""
        return self.page.locator("[data-follow]")

    @property
    def output(self) -> Locator:
        return self.page.locator("[data-output]")

    @property
    def rows(self) -> Locator:
        """The rows of the history."""
        return self.page.locator("#history tbody tr")

    def open_project(self) -> None:
        self.page.goto(self.project_url)

    def upload(self, code: str = "print(1)", **fields: object) -> str:
        """Upload a program to the visitor's project, beside the page."""
        return self.server.upload(code, project=self.project, **fields)["job_id"]

    def run(self, code: str, **fields: object) -> str:
        """Run a program to its end, beside the page."""
        job_id = self.upload(code, execute=True, **fields)
        self.server.job(job_id, wait_s=60)
        return job_id

    def run_in_editor(self, code: str) -> None:
        """Type a program into the editor and run it."""
        self.open_project()
        self.page.evaluate("code => window.editor.setValue(code)", code)
        self.page.get_by_role("button", name="Run", exact=True).click()

    def expect_status(self, status: str) -> None:
        expect(self.live.locator(".badge")).to_have_text(status)
