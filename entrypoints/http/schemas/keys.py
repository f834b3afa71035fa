"""Schemas of API keys."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from application.use_cases.rotate_key import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from application.views import IssuedKey, KeyView
from domain.api_key import KeyStatus
from domain.caller import Scope


class KeyRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A key to create."""

    name: Annotated[str, Meta(description="A name for people.", examples=["build server"])]
    scopes: Annotated[
        tuple[Scope, ...],
        Meta(
            description="The scopes of the key; the caller must have each of them.",
            examples=[["jobs:read", "jobs:write"]],
        ),
    ]
    project: Annotated[
        str | None, Meta(description="The only project that the key can access, by name or by id as text.")
    ] = None
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        Meta(description="When the key expires, in RFC 3339 with an offset."),
    ] = None
    requests_per_s: Annotated[
        int | None,
        Meta(
            description="Maximum requests per second of the key, in addition to the limit of its tenant.",
            examples=[10],
        ),
    ] = None
    tenant: Annotated[
        str | None,
        Meta(description="The tenant of the key; a tenant other than the caller's requires `admin`."),
    ] = None


class RotationRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Options of a key's rotation."""

    overlap_s: Annotated[
        int | None,
        Meta(
            description="Seconds for which the key stays valid beside its successor, 0 to "
            f"{MAX_OVERLAP_S}; {DEFAULT_OVERLAP_S} by default."
        ),
    ] = None


class KeyResponse(Struct, kw_only=True):
    """A key, without its text."""

    key_id: str
    name: str
    tenant: str
    scopes: list[Scope]
    project: Annotated[
        str | None, Meta(description="The only project that the key can access; null if it can access all.")
    ]
    status: KeyStatus
    created_at: datetime
    created_by: Annotated[str, Meta(examples=["key:01890a5d-ac96-774b-bcce-b302099a8057"])]
    expires_at: datetime | None
    requests_per_s: Annotated[
        int | None,
        Meta(description="Maximum requests per second of the key; null if it has no limit of its own."),
    ]
    revoked_at: datetime | None
    last_used_at: Annotated[
        datetime | None, Meta(description="When the key was last used, accurate to a few minutes.")
    ]

    @classmethod
    def of(cls, view: KeyView, **more: str) -> Self:
        """Present a key."""
        key = view.key
        return cls(
            key_id=str(key.id),
            name=key.name,
            tenant=key.tenant.value,
            scopes=sorted(key.scopes),
            project=None if view.project is None else view.project.value,
            status=view.status,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            requests_per_s=key.requests_per_s,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            **more,
        )


class IssuedKeyResponse(KeyResponse, kw_only=True):
    """A new key with its text, which only this response contains."""

    key: Annotated[str, Meta(description="The text to send as `Authorization: Bearer ssk_...`.")]

    @classmethod
    def of_issued(cls, issued: IssuedKey) -> Self:
        """Present a new key with its text."""
        return cls.of(issued.view, key=issued.text.value)
