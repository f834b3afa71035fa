"""API keys: create, list, rotate and revoke."""

from typing import Annotated, TypeAlias

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, QueryParameter

from application.commands import CreateKeyCommand
from application.use_cases.rotate_key import DEFAULT_OVERLAP_S
from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import KeyIdInPath, existing_key, existing_tenant
from entrypoints.http.schemas.keys import IssuedKeyResponse, KeyRequest, KeyResponse, RotationRequest

_KeyBody = Annotated[
    KeyRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="A key that uploads and reads",
                value={"name": "build server", "scopes": ["jobs:read", "jobs:write"]},
            )
        ]
    ),
]
_RotationBody = Annotated[
    RotationRequest | None,
    BodyKwarg(examples=[Example(summary="Stay valid for another hour", value={"overlap_s": 3_600})]),
]
_TenantName: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="The tenant of the keys; a tenant other than the caller's requires `admin`."),
]
_Force: TypeAlias = Annotated[
    bool, QueryParameter(description="Revoke the key even if it is the last active one with `admin`.")
]


class KeysController(Controller):
    """API keys."""

    path = "/keys"
    tags = ("Keys",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listKeys",
            "List API keys",
            "The keys of a tenant in any status, oldest first. A caller that is limited to one project gets "
            "only the keys of that project.",
            scope=Scope.KEYS_WRITE,
            problems=(404,),
        ),
    )
    def list_all(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], tenant: _TenantName = None
    ) -> list[KeyResponse]:
        """List API keys."""
        views = api.services.key_reader.all(caller, None if tenant is None else existing_tenant(tenant))
        return [KeyResponse.of(view) for view in views]

    @post(
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "createKey",
            "Create an API key",
            "The text of the key is only in the field `key` of this response. A caller can only grant scopes "
            "that it has; one that is limited to a project can only create keys of that project. Without "
            "`admin`, a caller whose key expires can only create keys that expire no later.",
            scope=Scope.KEYS_WRITE,
            problems=(404, 409),
            secret_answer=True,
        ),
    )
    def create(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], data: _KeyBody
    ) -> IssuedKeyResponse:
        """Create an API key."""
        command = CreateKeyCommand(
            name=data.name,
            scopes=frozenset(data.scopes),
            project=data.project,
            expires_at=data.expires_at,
            requests_per_s=data.requests_per_s,
            tenant=None if data.tenant is None else existing_tenant(data.tenant),
        )
        return IssuedKeyResponse.of_issued(api.services.create_key(caller, command))

    @delete(
        "/{key_id:str}",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "revokeKey",
            "Revoke an API key",
            "The key is refused everywhere within five seconds. Revoking the last active key with the scope "
            "`admin` requires `force`.",
            scope=Scope.KEYS_WRITE,
            problems=(404, 409),
        ),
    )
    def revoke(
        self,
        key_id: KeyIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        tenant: _TenantName = None,
        force: _Force = False,  # noqa: FBT002 - a query parameter
    ) -> KeyResponse:
        """Revoke an API key."""
        name = None if tenant is None else existing_tenant(tenant)
        view = api.services.revoke_key(caller, existing_key(key_id), name, force=force)
        return KeyResponse.of(view)

    @post(
        "/{key_id:str}/rotate",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "rotateKey",
            "Rotate an API key",
            "Creates a new key with the same rights and expiry, whose text is only in the field `key` of "
            "this response. The old key remains valid for `overlap_s`.",
            scope=Scope.KEYS_WRITE,
            problems=(404, 409),
            secret_answer=True,
        ),
    )
    def rotate(
        self,
        key_id: KeyIdInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _RotationBody = None,
        tenant: _TenantName = None,
    ) -> IssuedKeyResponse:
        """Rotate an API key."""
        name = None if tenant is None else existing_tenant(tenant)
        given = None if data is None else data.overlap_s
        overlap_s = DEFAULT_OVERLAP_S if given is None else given
        return IssuedKeyResponse.of_issued(
            api.services.rotate_key(caller, existing_key(key_id), overlap_s, name)
        )
