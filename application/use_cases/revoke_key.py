"""Command: revoke an API key."""

from datetime import datetime

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.views import KeyView
from domain.api_key import ApiKey, KeyId, KeyStatus
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.tenant import DEFAULT_TENANT, TenantName


class RevokeKey:
    """Revokes a key permanently. Revoking it again changes nothing.

    * A caller without ADMIN cannot revoke a key that has it.
    * The last active key with ADMIN is revoked only with `force`; after that, only the command line on the
      machine can create keys with ADMIN.
    * Only a caller with ADMIN can revoke keys of another tenant.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self, caller: Caller, key_id: KeyId, tenant: TenantName | None = None, *, force: bool = False
    ) -> KeyView:
        """Revoke the key; return it.

        Args:
            caller: The caller.
            key_id: The key.
            tenant: The key's tenant; the caller's by default.
            force: Whether to revoke the key even if it is the last active one with ADMIN.

        Raises:
            NotFound: There is no such tenant, or no such key that the caller can access.
            ScopeMissing: The caller lacks ADMIN, and the key has it or belongs to another tenant.
            Conflict: It is the last active key with ADMIN.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> KeyView:
            name = tenant or caller.tenant.name
            caller.require_tenant(name)
            within = caller.within(transaction.tenants.get_or_raise(name))
            key = transaction.keys.get_or_raise(within, key_id)
            if Scope.ADMIN in key.scopes:
                caller.require(Scope.ADMIN)
            if Scope.ADMIN in key.scopes and key.status(now) is KeyStatus.ACTIVE and not force:
                _ensure_another(transaction, key, now)
            revoked = key.revoke(now)
            transaction.keys.replace(key, revoked)
            project = None if key.project is None else transaction.projects.get(within, key.project)
            return KeyView.of(revoked, project, now)

        return self._unit_of_work.run(
            caller, Act.KEY_REVOKE, work, subject=lambda _view: str(key_id), asked_for=str(key_id)
        )


def active_administrators(transaction: Transaction, now: datetime) -> list[ApiKey]:
    """Return the active keys with ADMIN; none is added or removed until the transaction ends."""
    transaction.tenants.lock_or_raise(DEFAULT_TENANT)
    keys = transaction.keys.administrators_of_any_tenant()
    return [key for key in keys if key.status(now) is KeyStatus.ACTIVE]


def _ensure_another(transaction: Transaction, key: ApiKey, now: datetime) -> None:
    if all(other.id == key.id for other in active_administrators(transaction, now)):
        raise Conflict(text("problems.last_admin_key", key=key.id, scope=Scope.ADMIN))
