from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import ConcurrencyConflict, NotFound
from domain.api_key import KeyId
from domain.caller import Scope
from domain.quota import MAX_FIGURE
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import ProjectId
from tests.support.callers import a_caller, a_tenant
from tests.support.samples import LATER, NOW, an_api_key

ACME = a_caller("acme")
OTHER = a_caller("other")


def add(store, **changes):
    key = an_api_key(**changes)
    store.run(lambda transaction: transaction.keys.add(key))
    return key


def get(store, key, caller=ACME):
    return store.run(lambda transaction: transaction.keys.get(caller, key.id))


def change(store, before, after):
    store.run(lambda transaction: transaction.keys.replace(before, after))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "\U0001f600" * 255, "scopes": frozenset(Scope), "created_by": "key:" + "1" * 36},
        {"project": ProjectId(7), "expires_at": LATER, "revoked_at": NOW, "last_used_at": LATER},
        {"requests_per_s": MAX_FIGURE},
    ],
)
def test_a_key_is_kept_as_it_is(store, changes):
    key = add(store, **changes)

    assert get(store, key) == key
    assert store.run(lambda transaction: transaction.keys.get_or_raise(ACME, key.id)) == key
    assert store.run(lambda transaction: transaction.keys.all(ACME)) == [key]


def test_a_key_of_another_tenant_is_not_there(store):
    key = add(store)

    assert get(store, key, OTHER) is None
    assert store.run(lambda transaction: transaction.keys.all(OTHER)) == []
    with pytest.raises(NotFound):
        store.run(lambda transaction: transaction.keys.get_or_raise(OTHER, key.id))


def test_a_caller_of_one_project_reaches_the_keys_of_that_project_alone(store):
    one = add(store, project=ProjectId(1))
    another, of_all = add(store, project=ProjectId(2)), add(store)
    caller = a_caller("acme", project=ProjectId(1))

    assert store.run(lambda transaction: transaction.keys.all(caller)) == [one]
    assert get(store, one, caller) == one
    assert get(store, another, caller) is None
    assert get(store, of_all, caller) is None


def test_keys_are_listed_by_their_age(store):
    late, early = add(store, created_at=LATER), add(store)

    assert store.run(lambda transaction: transaction.keys.all(ACME)) == [early, late]


def test_administrators_are_found_in_every_tenant(store):
    add(store, name='"admin"')
    first = add(store, scopes=frozenset({Scope.ADMIN}), tenant=DEFAULT_TENANT)
    second = add(store, scopes=frozenset(Scope), revoked_at=NOW, created_at=LATER)

    found = store.run(lambda transaction: transaction.keys.administrators_of_any_tenant())

    assert found == [first, second]


def test_a_key_is_found_by_its_digest_with_its_tenant(store):
    tenant = a_tenant("acme")
    store.run(lambda transaction: transaction.tenants.add(tenant))
    key = add(store)

    assert store.run(lambda transaction: transaction.keys.find(key.digest)) == (key, tenant)
    assert store.run(lambda transaction: transaction.keys.find("0" * 64)) is None


def test_a_change_keeps_the_use_that_was_recorded_meanwhile(store):
    key = add(store)
    store.run(lambda transaction: transaction.keys.touch([key.id], LATER))

    change(store, key, replace(key, expires_at=LATER))
    change(store, replace(key, expires_at=LATER), replace(key, expires_at=LATER, revoked_at=NOW))

    assert get(store, key) == replace(key, expires_at=LATER, revoked_at=NOW, last_used_at=LATER)


@pytest.mark.parametrize("changed", [{"expires_at": LATER}, {"revoked_at": NOW}])
def test_a_decision_on_a_key_that_has_changed_is_void(store, changed):
    key = add(store)
    change(store, key, replace(key, **changed))

    def work(transaction):
        with pytest.raises(ConcurrencyConflict):
            transaction.keys.replace(key, key.revoke(LATER))

    store.run(work)
    assert get(store, key) == replace(key, **changed)


def test_all_keys_of_a_tenant_are_revoked_and_earlier_ends_stay(store):
    keys = [add(store), add(store, expires_at=NOW), add(store, revoked_at=NOW)]
    other = add(store, tenant=TenantName("other"))

    assert store.run(lambda transaction: transaction.keys.revoke_all(ACME.tenant.name, LATER)) == 2

    assert [get(store, key).revoked_at for key in keys] == [LATER, LATER, NOW]
    assert get(store, other, OTHER) == other
    assert store.run(lambda transaction: transaction.keys.revoke_all(ACME.tenant.name, LATER)) == 0


def test_removed_keys_are_gone_and_the_others_stay(store):
    removed, kept = add(store), add(store)

    store.run(lambda transaction: transaction.keys.remove([removed.id]))
    store.run(lambda transaction: transaction.keys.remove([]))

    assert store.run(lambda transaction: transaction.keys.all(ACME)) == [kept]


def test_the_latest_use_of_a_key_is_kept(store):
    used, unused = add(store), add(store)

    for at in (NOW, LATER, LATER - timedelta(seconds=1)):
        store.run(lambda transaction, at=at: transaction.keys.touch([used.id, KeyId(used.id)], at))
    store.run(lambda transaction: transaction.keys.touch([], LATER))

    assert get(store, used).last_used_at == LATER
    assert get(store, unused).last_used_at is None
