"""Command: create an API key."""

from dataclasses import replace
from datetime import UTC, datetime

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import CreateKeyCommand
from application.errors import Conflict
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.project_lookup import optional_project
from application.views import IssuedKey, KeyView
from domain.api_key import ApiKey, KeyId, KeyStatus, KeyText
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue, TenantTransitionRefused
from domain.tenant import TenantName, TenantStatus


class CreateKey:
    """Creates a key and returns its text, which is not stored.

    * A caller cannot grant a scope that it lacks.
    * A caller restricted to one project creates keys for that project only. The key's project must be
      accessible to the caller and not deleted.
    * A caller whose key has a limit of requests per second cannot create a key with a higher limit.
    * A caller without ADMIN whose key expires cannot create a key that expires later.
    * Only a caller with ADMIN can create keys of another tenant; a deleted tenant gets no keys.
    * The first key, made during setup, is created only if no key with ADMIN was ever created, even if that
      key is revoked by now.
    * The number of keys per tenant is limited. The oldest revoked or expired keys are removed to make room.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator, max_keys: int) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._max_keys = max_keys

    def __call__(self, caller: Caller, command: CreateKeyCommand) -> IssuedKey:
        """Return the key and its text.

        Raises:
            ScopeMissing: The caller lacks a scope of the key, or ADMIN for another tenant.
            InvalidValue: A value breaks its rule, or the expiry has passed or is too late.
            NotFound: There is no such tenant, or no such project that the caller can access.
            TenantTransitionRefused: The tenant is deleted.
            Conflict: The tenant has the maximum number of active keys, or the first key was already created.
        """
        now = self._clock.now()
        key_id, text = KeyId(self._ids.new()), KeyText.generate()

        def work(transaction: Transaction) -> KeyView:
            for scope in sorted(command.scopes):
                caller.require(scope)
            expires_at = _expiry(caller, command.expires_at, now)
            within = lock_tenant(transaction, caller, command.tenant)
            if command.first:
                _ensure_first_administrator(transaction)
            project = optional_project(transaction, within, command.project)
            key = ApiKey(
                id=key_id,
                tenant=within.tenant.name,
                name=command.name,
                digest=text.digest,
                scopes=command.scopes,
                created_at=now,
                created_by=caller.principal,
                project=None if project is None else project.id,
                expires_at=expires_at,
                requests_per_s=_rate(caller, command.requests_per_s),
            )
            make_room(transaction, within, self._max_keys, now)
            transaction.keys.add(key)
            return KeyView.of(key, project, now)

        view = self._unit_of_work.run(
            caller, Act.KEY_CREATE, work, subject=lambda _view: str(key_id), asked_for=command.name
        )
        return IssuedKey(view=view, text=text)


def lock_tenant(transaction: Transaction, caller: Caller, name: TenantName | None) -> Caller:
    """Lock the tenant that gets a key; return the caller acting in that tenant.

    Raises:
        ScopeMissing: The tenant is not the caller's, and the caller lacks ADMIN.
        NotFound: There is no such tenant.
        TenantTransitionRefused: The tenant is deleted.
    """
    name = name or caller.tenant.name
    caller.require_tenant(name)
    tenant = transaction.tenants.lock_or_raise(name)
    if tenant.status is TenantStatus.DELETED:
        raise TenantTransitionRefused(text("problems.tenant_gets_no_keys", name=name, status=tenant.status))
    return caller.within(tenant)


def make_room(transaction: Transaction, caller: Caller, max_keys: int, now: datetime) -> None:
    """Remove the oldest inactive keys of the caller's tenant, if needed to make room for one more.

    Raises:
        Conflict: The tenant has the maximum number of active keys.
    """
    keys = transaction.keys.all(replace(caller, project=None))
    excess = len(keys) + 1 - max_keys
    if excess <= 0:
        return
    closed = [key.id for key in keys if key.status(now) is not KeyStatus.ACTIVE]
    if len(closed) < excess:
        raise Conflict(text("problems.too_many_keys", tenant=caller.tenant.name, maximum=max_keys))
    transaction.keys.remove(closed[:excess])


def _ensure_first_administrator(transaction: Transaction) -> None:
    if transaction.keys.administrators_of_any_tenant():
        raise Conflict(text("problems.first_key_exists", scope=Scope.ADMIN))


def _expiry(caller: Caller, time: datetime | None, now: datetime) -> datetime | None:
    try:
        expires_at = None if time is None else time.astimezone(UTC)
    except OverflowError:  # the year is out of range in UTC
        raise InvalidValue("expires_at", text("problems.years")) from None
    if expires_at is not None and expires_at <= now:
        raise InvalidValue("expires_at", text("problems.future"))
    latest = None if Scope.ADMIN in caller.scopes else caller.expires_at
    if expires_at is not None and latest is not None and expires_at > latest:
        raise InvalidValue("expires_at", text("problems.expires_with_creator", latest=latest.isoformat()))
    return latest if expires_at is None else expires_at


def _rate(caller: Caller, wanted: int | None) -> int | None:
    own = caller.requests_per_s
    if own is not None and wanted is not None and wanted > own:
        raise InvalidValue("requests_per_s", text("problems.rate_of_creator", maximum=own))
    return own if wanted is None else wanted
