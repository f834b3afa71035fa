"""Every page by eye, by touch, by keyboard and by ear: light and dark, wide, zoomed and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.barriers import find_barriers
from tests.browser.conftest import without_complaints
from tests.browser.guarded import Guarded, sign_in
from tests.support.service import Server

# Taller and wider than the editor.
_CODE = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n" + f"# {'x' * 200}\n" * 40
# Right, wrong, hidden, and with a long name and a long difference.
_CASES = [
    {"name": "right", "stdin": "1\n", "expected_stdout": "1\n"},
    {"name": "n" * 120, "stdin": "x" * 300, "expected_stdout": "y" * 300},
    {"name": "hidden", "stdin": "3\n", "expected_stdout": "6\n", "hidden": True},
]
_LONG = "n" * 200
_PAGES = {
    "projects": "/dashboard",
    "no project": "/dashboard?q=nosuch",
    "jobs": "/dashboard/jobs?tag=team:blue",
    "no job": "/dashboard/jobs?q=nosuch",
    "project": "/dashboard/projects/{project}",
    "edit": "/dashboard/projects/{project}/edit?from={done}",
    "pending job": "/dashboard/jobs/{pending}",
    "job": "/dashboard/jobs/{done}",
    "compiler output": "/dashboard/jobs/{broken}",
    "cases": "/dashboard/jobs/{cases}",
    "choose a run": "/dashboard/jobs/{done}/compare",
    "compare": "/dashboard/jobs/{done}/compare?with={cases}",
    "batches": "/dashboard/batches",
    "batch": "/dashboard/batches/{batch}",
    "case sets": "/dashboard/projects/{project}/case-sets",
    "case set": "/dashboard/projects/{project}/case-sets/looks",
    "cluster": "/dashboard/cluster",
    "webhooks": "/dashboard/projects/{project}/webhooks",
    "deliveries": "/dashboard/projects/{project}/webhooks/{webhook}",
    "missing": "/dashboard/projects/999999",
}
_VISITORS_PAGES = ("", "keys", "usage", "members", "audit", "tenants")


@pytest.fixture(scope="module")
def names(server: Server) -> dict[str, object]:
    """Names in the addresses of pages, of things with much to show."""
    project = f"looks-{_LONG}"
    in_project = {"project": project, "tags": {"team": "blue", "branch": "feature/" + "x" * 110}}

    def run(code: str, **fields: object) -> str:
        job_id = server.upload(code, **in_project, execute=True, **fields)["job_id"]
        server.job(job_id, wait_s=60)
        return job_id

    names: dict[str, object] = {
        "done": run(
            _CODE, env={"NAME": "v" * 300}, args=["a b"], files=[{"path": "data.txt", "content": "1"}]
        ),
        "broken": run("int main( {", language="c"),
        "cases": run("print(input())", cases=_CASES),
        "pending": server.upload("print(1)", **in_project)["job_id"],
    }
    with server.http as http:

        def call(method: str, path: str, **body: object) -> dict:
            return http.request(method, path, json=body or None).raise_for_status().json()

        names["project"] = call("POST", "/api/project", project_name=project)["project_id"]
        webhook = call("POST", "/api/webhooks", url="https://hooks.invalid/in?token=1", project=project)
        names["webhook"] = webhook["webhook_id"]
        call("POST", f"/api/webhooks/{webhook['webhook_id']}/test")
        job = {"project": project, "language": "python", "code": "print(1)"}
        names["batch"] = call("POST", "/api/batches", jobs=[job])["batch_id"]
        call("PUT", f"/api/projects/{names['project']}/case-sets/looks", cases=_CASES)
    return names


@pytest.fixture(scope="module")
def window(browser: Browser, server: Server) -> Iterator[Page]:
    """One window for all pages, because each new one has a process that compiles all scripts again."""
    context = browser.new_context(base_url=server.url)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(window: Page) -> Iterator[Page]:
    with without_complaints(window):
        yield window


@pytest.mark.parametrize("name", _PAGES)
def test_a_page_has_no_barrier(page: Page, names: dict[str, object], name: str):
    page.goto(_PAGES[name].format(**names))

    assert find_barriers(page) == {}


@pytest.fixture(scope="module")
def guarded_page(browser: Browser, guarded: Guarded) -> Iterator[Page]:
    guarded.key(name="n" * 120)
    context = browser.new_context(base_url=guarded.server.url)
    yield context.new_page()
    context.close()


def test_the_page_to_sign_in_has_no_barrier(guarded_page: Page):
    guarded_page.goto("/dashboard/sign-in")

    assert find_barriers(guarded_page) == {}


@pytest.fixture(scope="module")
def signed_in(guarded_page: Page, guarded: Guarded) -> Page:
    sign_in(guarded_page, guarded.admin_key)
    return guarded_page


@pytest.mark.parametrize("name", _VISITORS_PAGES)
def test_a_page_of_a_visitor_has_no_barrier(signed_in: Page, name: str):
    signed_in.goto(f"/dashboard/{name}")

    assert find_barriers(signed_in) == {}
