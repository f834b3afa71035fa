"""Retention: how long jobs and logs of projects and tenants are kept."""

from typing import Annotated

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg

from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import ProjectInPath, TenantInPath, existing_tenant
from entrypoints.http.schemas.retention import RetentionRequest, RetentionResponse

_Body = Annotated[
    RetentionRequest,
    BodyKwarg(examples=[Example(summary="A policy", value={"jobs_days": 365, "logs_days": 30})]),
]
_REPLACES = "Replaces the whole policy. It also applies to existing data."


class RetentionController(Controller):
    """Retention policies of projects and tenants."""

    tags = ("Retention",)

    @get(
        "/projects/{project:str}/retention",
        sync_to_thread=True,
        **openapi_docs(
            "getProjectRetention",
            "Get the retention of a project",
            "The project's own policy, and the policy in force with the values of its tenant and of the "
            "service.",
            scope=Scope.JOBS_READ,
            problems=(404,),
        ),
    )
    def of_project(
        self, project: ProjectInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> RetentionResponse:
        """Get the retention of a project."""
        return RetentionResponse.of(api.services.retention_reader.of_project(caller, project))

    @put(
        "/projects/{project:str}/retention",
        sync_to_thread=True,
        **openapi_docs(
            "setProjectRetention",
            "Set the retention of a project",
            _REPLACES,
            scope=Scope.PROJECTS_WRITE,
            problems=(404, 409),
        ),
    )
    def set_of_project(
        self,
        project: ProjectInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _Body,
    ) -> RetentionResponse:
        """Set the retention of a project."""
        return RetentionResponse.of(api.services.set_retention(caller, project, data.retention()))

    @get(
        "/tenants/{tenant:str}/retention",
        sync_to_thread=True,
        **openapi_docs(
            "getTenantRetention",
            "Get the retention of a tenant",
            "The tenant's own policy, and the policy in force with the values of the service.",
            scope=Scope.ADMIN,
            problems=(404,),
        ),
    )
    def of_tenant(self, tenant: TenantInPath, api: NamedDependency[Api]) -> RetentionResponse:
        """Get the retention of a tenant."""
        return RetentionResponse.of(api.services.retention_reader.of_tenant(existing_tenant(tenant)))

    @put(
        "/tenants/{tenant:str}/retention",
        sync_to_thread=True,
        **openapi_docs(
            "setTenantRetention",
            "Set the retention of a tenant",
            _REPLACES,
            scope=Scope.ADMIN,
            problems=(404, 409),
        ),
    )
    def set_of_tenant(
        self,
        tenant: TenantInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _Body,
    ) -> RetentionResponse:
        """Set the retention of a tenant."""
        name = existing_tenant(tenant)
        return RetentionResponse.of(api.services.set_retention(caller, name, data.retention()))
