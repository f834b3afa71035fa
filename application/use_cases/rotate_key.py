"""Command: rotate an API key."""

from dataclasses import replace
from datetime import timedelta

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.use_cases.create_key import lock_tenant, make_room
from application.views import IssuedKey, KeyView
from domain.api_key import KeyId, KeyText
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.tenant import TenantName

DEFAULT_OVERLAP_S = 24 * 3_600
MAX_OVERLAP_S = 30 * 24 * 3_600


class RotateKey:
    """Creates a successor with the same rights and expiry as a key, and lets the key expire after an overlap.

    * A caller cannot rotate a key with a scope that it lacks, because it learns the successor's text.
    * A caller without ADMIN cannot rotate a key that expires later, or has a higher rate limit, than its own.
    * An expired or revoked key cannot be rotated.
    * Only a caller with ADMIN can rotate keys of another tenant.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator, max_keys: int) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._max_keys = max_keys

    def __call__(
        self,
        caller: Caller,
        key_id: KeyId,
        overlap_s: int = DEFAULT_OVERLAP_S,
        tenant: TenantName | None = None,
    ) -> IssuedKey:
        """Return the successor and its text.

        Args:
            caller: The caller.
            key_id: The key.
            overlap_s: How many seconds the key stays valid beside its successor, unless it expires earlier.
            tenant: The key's tenant; the caller's by default.

        Raises:
            InvalidValue: The overlap is negative or longer than MAX_OVERLAP_S.
            NotFound: There is no such tenant, or no such key that the caller can access.
            ScopeMissing: The caller lacks a scope of the key, or lacks ADMIN and the key belongs to another
                tenant or exceeds the caller's own.
            KeyTransitionRefused: The key is expired or revoked.
            TenantTransitionRefused: The tenant is deleted.
            Conflict: The tenant has the maximum number of active keys.
        """
        now = self._clock.now()
        successor_id, given = KeyId(self._ids.new()), KeyText.generate()

        def work(transaction: Transaction) -> KeyView:
            if not 0 <= overlap_s <= MAX_OVERLAP_S:
                raise InvalidValue("overlap_s", text("problems.from_0", maximum=MAX_OVERLAP_S))
            within = lock_tenant(transaction, caller, tenant)
            key = transaction.keys.get_or_raise(within, key_id)
            for scope in sorted(key.scopes):
                caller.require(scope)
            if key.exceeds(caller):
                caller.require(Scope.ADMIN)
            expiring, successor = key.rotate(successor_id, given.digest, now, timedelta(seconds=overlap_s))
            successor = replace(successor, created_by=caller.principal)
            transaction.keys.replace(key, expiring)
            make_room(transaction, within, self._max_keys, now)
            transaction.keys.add(successor)
            project = None if key.project is None else transaction.projects.get(within, key.project)
            return KeyView.of(successor, project, now)

        view = self._unit_of_work.run(
            caller, Act.KEY_ROTATE, work, subject=lambda _view: str(key_id), asked_for=str(key_id)
        )
        return IssuedKey(view=view, text=given)
