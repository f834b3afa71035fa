import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from tests.browser.guarded import Guarded
from tests.browser.visitor import Visitor
from tests.support.browser import browsing
from tests.support.oidc_provider import oidc_provider
from tests.support.service import Server, environment, run, served

expect.set_options(timeout=60_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert browser.is_connected()  # without a browser there is nothing to serve
    with served(environment(tmp_path_factory.mktemp("browsed"))) as server:
        yield server


@pytest.fixture(scope="package")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    assert browser.is_connected()
    with oidc_provider() as provider:
        env = environment(
            tmp_path_factory.mktemp("guarded"),
            SERVICE_SERVER_AUTH="keys+oidc",
            SERVICE_SERVER_OIDC_ISSUER=provider.address,
            SERVICE_SERVER_OIDC_CLIENT_ID="dashboard",
            SERVICE_SERVER_OIDC_CLIENT_SECRET="a client's secret",
        )
        made = run("setup", "--json", env=env)
        assert made.returncode == 0, made.stderr
        with served(env) as server:
            guarded = Guarded(server, provider, json.loads(made.stdout)["key"])
            for tenant in ("acme", "other"):
                guarded.api("POST", "/api/tenants", json={"tenant": tenant})
            yield guarded


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=server.url, viewport={"width": 1200, "height": 860})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that may not complain."""
    page = context.new_page()
    with without_complaints(page):
        yield page


@pytest.fixture
def visitor(page: Page, server: Server) -> Visitor:
    return Visitor(page, server)


@contextmanager
def without_complaints(page: Page) -> Iterator[None]:
    """Fail if a page complains meanwhile: of an error in a script, or of a broken security policy."""
    complaints: list[str] = []

    def note_error(error: Error) -> None:
        complaints.append(str(error))

    def note_complaint(said: ConsoleMessage) -> None:
        if _is_complaint(said):
            complaints.append(said.text)

    page.on("pageerror", note_error)
    page.on("console", note_complaint)
    yield
    page.remove_listener("pageerror", note_error)
    page.remove_listener("console", note_complaint)
    assert complaints == []


def _is_complaint(said: ConsoleMessage) -> bool:
    """Return whether this is an error: an answer that browsers count as one may be a test's purpose."""
    return said.type == "error" and not said.text.startswith("Failed to load resource: the server responded")
