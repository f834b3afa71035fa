"""A server that asks for a sign-in, and the way into its pages."""

from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.support.oidc_provider import OidcProvider
from tests.support.service import Server


@dataclass(frozen=True)
class Guarded:
    """A server that asks for a sign-in, its administrator's key, and the provider of its users."""

    server: Server
    provider: OidcProvider
    admin_key: str

    def api(self, method: str, path: str, key: str | None = None, **request: object) -> dict:
        """Ask the API with a key, the administrator's by default."""
        headers = {"Authorization": f"Bearer {key or self.admin_key}"}
        with self.server.http as http:
            answer = http.request(method, path, headers=headers, **request)
        assert answer.is_success, answer.text
        return answer.json()

    def key(self, tenant: str = "acme", *scopes: str, name: str = "a key") -> dict:
        """Make a key."""
        chosen = list(scopes) or ["jobs:read", "jobs:write", "projects:write", "logs:read", "keys:write"]
        return self.api("POST", "/api/keys", json={"name": name, "scopes": chosen, "tenant": tenant})


def sign_in(page: Page, key: str, path: str = "/dashboard") -> None:
    page.goto(path)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in with the key").click()
    expect(page.locator("#visitor")).to_be_visible()
