"""Tenants: create, list, suspend, resume, delete, and set quotas."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg

from domain.caller import Caller, Scope
from domain.quota import UNLIMITED
from domain.tenant import TenantTrigger
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import TenantInPath, existing_tenant
from entrypoints.http.schemas.tenants import (
    ChosenStatus,
    QuotaRequest,
    TenantChange,
    TenantRequest,
    TenantResponse,
)

_TenantBody = Annotated[
    TenantRequest,
    BodyKwarg(examples=[Example(summary="A tenant", value={"tenant": "acme", "quota": {"running": 10}})]),
]
_QuotaBody = Annotated[
    QuotaRequest,
    BodyKwarg(
        examples=[Example(summary="A quota", value={"running": 10, "uploads_per_day": 10_000})],
    ),
]


_ChangeBody = Annotated[
    TenantChange, BodyKwarg(examples=[Example(summary="Suspend a tenant", value={"status": "SUSPENDED"})])
]
_TRIGGERS = {ChosenStatus.ACTIVE: TenantTrigger.RESUME, ChosenStatus.SUSPENDED: TenantTrigger.SUSPEND}


class TenantsController(Controller):
    """Tenants."""

    path = "/tenants"
    tags = ("Tenants",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listTenants",
            "List tenants",
            "Tenants in any status, ordered by name.",
            scope=Scope.ADMIN,
        ),
    )
    def list_all(self, api: NamedDependency[Api]) -> list[TenantResponse]:
        """List tenants."""
        return [TenantResponse.of(tenant) for tenant in api.services.tenant_reader.all()]

    @post(
        status_code=200,
        sync_to_thread=True,
        **openapi_docs("createTenant", "Create a tenant", scope=Scope.ADMIN, problems=(409,)),
    )
    def create(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], data: _TenantBody
    ) -> TenantResponse:
        """Create a tenant."""
        quota = UNLIMITED if data.quota is None else data.quota.quota()
        return TenantResponse.of(api.services.create_tenant(caller, data.tenant, quota))

    @get(
        "/{tenant:str}",
        sync_to_thread=True,
        **openapi_docs("getTenant", "Get a tenant", scope=Scope.ADMIN, problems=(404,)),
    )
    def show(self, tenant: TenantInPath, api: NamedDependency[Api]) -> TenantResponse:
        """Get a tenant."""
        return TenantResponse.of(api.services.tenant_reader.get(existing_tenant(tenant)))

    @patch(
        "/{tenant:str}",
        sync_to_thread=True,
        **openapi_docs(
            "changeTenant",
            "Suspend or resume a tenant",
            "A suspended tenant can read and cancel, but not start anything; running programs continue.",
            scope=Scope.ADMIN,
            problems=(404, 409),
        ),
    )
    def change(
        self,
        tenant: TenantInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _ChangeBody,
    ) -> TenantResponse:
        """Suspend or resume a tenant."""
        name, trigger = existing_tenant(tenant), _TRIGGERS[data.status]
        return TenantResponse.of(api.services.change_tenant(caller, name, trigger))

    @put(
        "/{tenant:str}/quota",
        sync_to_thread=True,
        **openapi_docs(
            "setQuota",
            "Set the quota of a tenant",
            "Replaces the whole quota. It applies to everything that begins afterwards.",
            scope=Scope.ADMIN,
            problems=(404, 409),
        ),
    )
    def set_quota(
        self,
        tenant: TenantInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _QuotaBody,
    ) -> TenantResponse:
        """Set the quota of a tenant."""
        return TenantResponse.of(api.services.set_quota(caller, existing_tenant(tenant), data.quota()))

    @delete(
        "/{tenant:str}",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "deleteTenant",
            "Delete a tenant",
            "Revokes its keys and cancels its jobs. The name is never reused.",
            scope=Scope.ADMIN,
            problems=(404, 409),
        ),
    )
    def delete(
        self, tenant: TenantInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> TenantResponse:
        """Delete a tenant."""
        return TenantResponse.of(api.services.delete_tenant(caller, existing_tenant(tenant)))
