"""A visitor of the dashboard, without a browser."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import httpx

from domain.api_key import ApiKey, KeyId, KeyText
from domain.caller import Scope
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT, Tenant, TenantName, TenantStatus
from tests.http.support import Service

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
PAGE = {"Accept": "text/html"}


def a_tenant_of(service: Service, name: str, quota: Quota = UNLIMITED) -> None:
    """Store a tenant."""
    now = datetime.now(UTC)
    tenant = Tenant(name=TenantName(name), status=TenantStatus.ACTIVE, created_at=now, quota=quota)
    service.container.unit_of_work().run(lambda transaction: transaction.tenants.add(tenant))


def a_key_of(
    service: Service,
    tenant: str = DEFAULT_TENANT.value,
    scopes: Iterable[Scope] = frozenset(Scope),
    **changed,
) -> tuple[ApiKey, str]:
    """Store a key, and return it with its text."""
    text = KeyText.generate()
    now = datetime.now(UTC)
    fields = {
        "id": KeyId(service.container.ids().new()),
        "tenant": TenantName(tenant),
        "name": f"key of {tenant}",
        "digest": text.digest,
        "scopes": frozenset(scopes),
        "created_at": now,
        "created_by": "a test",
        **changed,
    }
    key = ApiKey(**fields)
    service.container.unit_of_work().run(lambda transaction: transaction.keys.add(key))
    return key, text.value


class Visitor:
    """A client with a jar of cookies, that asks for pages as a browser does."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def token(self, url: str) -> str:
        """Return the token of the forms of a page."""
        page = self.http.get(url, headers=PAGE)
        found = _TOKEN.search(page.text)
        assert found is not None, page.text
        return found[1]

    def post(self, url: str, page: str = "/dashboard", **fields: str) -> httpx.Response:
        """Post a form of a page."""
        return self.http.post(url, data={"csrf": self.token(page), **fields}, headers=PAGE)

    def sign_in(self, key: str, **fields: str) -> httpx.Response:
        """Sign in with a key."""
        return self.post("/dashboard/sign-in", "/dashboard/sign-in", key=key, **fields)

    @property
    def cookie(self) -> str | None:
        """The secret of the session."""
        return self.http.cookies.get("service_server_session")
