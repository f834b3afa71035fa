"""SQL repository of webhooks."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from adapters.sql.tables import webhook_deliveries, webhooks
from application.errors import ConcurrencyConflict
from application.ports.webhook_repository import Subscriber, WebhookRepository
from domain.caller import Caller
from domain.sealed_secrets import SealedSecrets
from domain.tenant import TenantName
from domain.values import ProjectId, WebhookId
from domain.webhook import Webhook, WebhookStatus
from domain.webhook_event import SUBSCRIBED
from domain.webhook_url import WebhookUrl

_c = webhooks.c
_EVENTS = {event.value: event for event in SUBSCRIBED}
_is_kept = _c.status != WebhookStatus.DELETED.value
_is_reached = sa.and_(
    _is_kept,
    _c.tenant == sa.bindparam("of_tenant"),
    sa.or_(
        sa.bindparam("of_project", type_=sa.Integer).is_(None),
        _c.project_id == sa.bindparam("of_project", type_=sa.Integer),
    ),
)
_ADD = sa.insert(webhooks)
_BY_ID = sa.select(webhooks).where(_c.webhook_id == sa.bindparam("id"))
_GET = _BY_ID.where(_is_reached)
_ALL = (
    sa.select(webhooks)
    .where(
        _is_reached,
        sa.or_(
            sa.bindparam("project", type_=sa.Integer).is_(None),
            _c.project_id == sa.bindparam("project", type_=sa.Integer),
        ),
    )
    .order_by(_c.created_at, _c.webhook_id)
)
_COUNT = (
    sa.select(sa.func.count()).select_from(webhooks).where(_is_kept, _c.tenant == sa.bindparam("of_tenant"))
)
_is_active = _c.status == WebhookStatus.ACTIVE.value
_LISTENING = (
    sa.select(webhooks)
    .where(
        _is_active,
        _c.tenant == sa.bindparam("of_tenant"),
        sa.or_(_c.project_id.is_(None), _c.project_id == sa.bindparam("project", type_=sa.Integer)),
    )
    .order_by(_c.webhook_id)
)
_SUBSCRIBERS = sa.select(_c.tenant, _c.project_id).where(_is_active).distinct().limit(sa.bindparam("limit"))
_CHANGED = ("status", "secret", "previous_secret", "previous_until", "disabled_because", "failing_since")
_REPLACE = (
    sa.update(webhooks)
    .where(
        _c.webhook_id == sa.bindparam("id"),
        _c.status == sa.bindparam("old_status"),
        _c.secret == sa.bindparam("old_secret", type_=_c.secret.type),
    )
    .values({name: sa.bindparam(f"new_{name}", type_=_c[name].type) for name in _CHANGED})
)
_NEXT_DELETED = (
    sa.select(_c.webhook_id)
    .where(_c.status == WebhookStatus.DELETED.value)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_REMOVE = sa.delete(webhooks).where(_c.webhook_id == sa.bindparam("id"))
_DELIVERIES = (
    sa.select(webhook_deliveries.c.delivery_id)
    .where(webhook_deliveries.c.webhook_id == sa.bindparam("id"))
    .limit(sa.bindparam("limit"))
)
_REMOVE_DELIVERIES = sa.delete(webhook_deliveries).where(
    webhook_deliveries.c.delivery_id.in_(sa.bindparam("ids", expanding=True))
)


class SqlWebhookRepository(WebhookRepository):
    """Repository of webhooks, found by id, tenant or project."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""
        row = {
            "webhook_id": webhook.id,
            "tenant": webhook.tenant.value,
            "project_id": webhook.project,
            "url": webhook.url.value,
            "events": sorted(webhook.events),
            "created_at": webhook.created_at,
            "created_by": webhook.created_by,
            **_state(webhook),
        }
        self._connection.execute(_ADD, row)

    def get(self, caller: Caller, webhook_id: WebhookId) -> Webhook | None:
        """Return the webhook with an id, or None if the caller can access none."""
        return next(iter(self._list(_GET, {"id": webhook_id, **_reach(caller)})), None)

    def get_of_any_tenant(self, webhook_id: WebhookId) -> Webhook | None:
        """Return the webhook with an id, in any status, or None."""
        return next(iter(self._list(_BY_ID, {"id": webhook_id})), None)

    def all(self, caller: Caller, project: ProjectId | None = None) -> Sequence[Webhook]:
        """Return the webhooks that the caller can access, oldest first."""
        return self._list(_ALL, {"project": project, **_reach(caller)})

    def count(self, tenant: TenantName) -> int:
        """Return the number of a tenant's webhooks."""
        found: int = self._connection.execute(_COUNT, {"of_tenant": tenant.value}).scalar_one()
        return found

    def listening(self, tenant: TenantName, project: ProjectId | None) -> Sequence[Webhook]:
        """Return the active webhooks that receive the events of a project."""
        return self._list(_LISTENING, {"of_tenant": tenant.value, "project": project})

    def subscribers_of_any_tenant(self, limit: int) -> Collection[Subscriber]:
        """Return up to `limit` projects and tenants with active webhooks."""
        rows = self._connection.execute(_SUBSCRIBERS, {"limit": limit})
        return {(TenantName(row.tenant), row.project_id) for row in rows}

    def replace(self, before: Webhook, after: Webhook) -> None:
        """Store the state and the secrets of a webhook."""
        old = {"id": before.id, "old_status": before.status.value, "old_secret": asdict(before.secret)}
        new = {f"new_{name}": value for name, value in _state(after).items()}
        if self._connection.execute(_REPLACE, {**old, **new}).rowcount != 1:
            raise ConcurrencyConflict(f"webhook {before.id} was changed in the meantime")

    def remove_deleted_of_any_tenant(self, limit: int) -> int:
        """Remove up to `limit` deliveries of a deleted webhook, or the webhook itself if none are left."""
        webhook_id = self._connection.execute(_NEXT_DELETED).scalar()
        if webhook_id is None:
            return 0
        wanted = {"id": webhook_id, "limit": limit}
        if ids := self._connection.execute(_DELIVERIES, wanted).scalars().all():
            return self._connection.execute(_REMOVE_DELIVERIES, {"ids": sorted(ids)}).rowcount
        return self._connection.execute(_REMOVE, {"id": webhook_id}).rowcount

    def _list(self, statement: sa.Select[Any], parameters: dict[str, object]) -> list[Webhook]:
        return [_to_webhook(row) for row in self._connection.execute(statement, parameters).mappings()]


def _reach(caller: Caller) -> dict[str, object]:
    return {"of_tenant": caller.tenant.name.value, "of_project": caller.project}


def _state(webhook: Webhook) -> dict[str, object]:
    previous = webhook.previous_secret
    return {
        "status": webhook.status.value,
        "secret": asdict(webhook.secret),
        "previous_secret": None if previous is None else asdict(previous),
        "previous_until": webhook.previous_until,
        "disabled_because": webhook.disabled_because,
        "failing_since": webhook.failing_since,
    }


def _to_webhook(row: sa.RowMapping) -> Webhook:
    """Read a row, without events that only a newer version knows."""
    previous = row["previous_secret"]
    return Webhook(
        id=row["webhook_id"],
        tenant=TenantName(row["tenant"]),
        project=row["project_id"],
        url=WebhookUrl(row["url"]),
        events=frozenset(_EVENTS[name] for name in row["events"] if name in _EVENTS),
        secret=SealedSecrets(**row["secret"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        status=WebhookStatus(row["status"]),
        previous_secret=None if previous is None else SealedSecrets(**previous),
        previous_until=row["previous_until"],
        disabled_because=row["disabled_because"],
        failing_since=row["failing_since"],
    )
