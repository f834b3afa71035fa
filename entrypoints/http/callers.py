"""The caller of a request."""

from datetime import UTC, datetime

from domain.caller import Caller, anonymous
from domain.tenant import DEFAULT_TENANT, Tenant, TenantStatus
from entrypoints.http.request_context import caller_address

_DEFAULT = Tenant(
    name=DEFAULT_TENANT, status=TenantStatus.ACTIVE, created_at=datetime.min.replace(tzinfo=UTC)
)


def caller_of_request() -> Caller:
    """Return the caller of the current request."""
    return anonymous(_DEFAULT, caller_address.get() or None)
