from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.api_key import ApiKey, KeyId, KeyStatus, KeyText, has_key, mask_keys
from domain.caller import Caller, Scope, anonymous
from domain.errors import InvalidValue, KeyTransitionRefused, ScopeMissing
from domain.tenant import Tenant, TenantName, TenantStatus
from domain.values import ProjectId
from tests.unit.domain.builders import NOON

SECOND = timedelta(seconds=1)
ACME = Tenant(name=TenantName("acme"), status=TenantStatus.ACTIVE, created_at=NOON)
KEY = ApiKey(
    id=KeyId(UUID(int=1)),
    tenant=ACME.name,
    name="ci",
    digest="0" * 64,
    scopes=frozenset({Scope.JOBS_READ}),
    created_at=NOON,
    created_by="anonymous",
    project=ProjectId(7),
)


def test_texts_of_keys_are_recognised_and_never_the_same():
    one, other = KeyText.generate(), KeyText.generate()
    assert one.value != other.value
    assert one.value.startswith("ssk_")
    assert len(one.value) == 53
    assert KeyText(one.value).digest == one.digest != other.digest
    assert len(one.digest) == 64


def test_a_text_does_not_appear_where_it_is_logged():
    key = KeyText.generate()
    assert key.value not in repr(key)


@pytest.mark.parametrize(
    "changed",
    [
        lambda _: "",
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text.replace("ssk_", "sk_x"),
        lambda text: text[:10] + ("a" if text[10] != "a" else "b") + text[11:],
        lambda text: text[:-1] + ("a" if text[-1] != "a" else "b"),
        lambda text: text + "\n",
    ],
)
def test_a_text_with_an_error_is_refused(changed):
    with pytest.raises(InvalidValue, match="not the text of an API key"):
        KeyText(changed(KeyText.generate().value))


def test_a_key_is_active_until_it_expires_or_is_revoked():
    expiring = replace(KEY, expires_at=NOON + SECOND)
    assert KEY.status(NOON) is KeyStatus.ACTIVE
    assert expiring.status(NOON) is KeyStatus.ACTIVE
    assert expiring.status(NOON + SECOND) is KeyStatus.EXPIRED
    assert expiring.revoke(NOON).status(NOON + SECOND) is KeyStatus.REVOKED


def test_revoking_twice_keeps_the_first_time():
    assert KEY.revoke(NOON).revoke(NOON + SECOND).revoked_at == NOON


def test_a_rotated_key_works_until_the_overlap_has_passed():
    used = replace(KEY, last_used_at=NOON)
    old, new = used.rotate(KeyId(UUID(int=2)), "1" * 64, NOON, 10 * SECOND)
    assert old == replace(used, expires_at=NOON + 10 * SECOND)
    assert new == replace(KEY, id=KeyId(UUID(int=2)), digest="1" * 64)


def test_rotating_does_not_extend_a_key():
    expiring = replace(KEY, expires_at=NOON + SECOND)
    old, new = expiring.rotate(KeyId(UUID(int=2)), "1" * 64, NOON, 10 * SECOND)
    assert old.expires_at == new.expires_at == NOON + SECOND


@pytest.mark.parametrize("closed", [KEY.revoke(NOON), replace(KEY, expires_at=NOON)])
def test_a_closed_key_is_not_rotated(closed):
    with pytest.raises(KeyTransitionRefused, match=f"cannot rotate a key that is {closed.status(NOON)}"):
        closed.rotate(KeyId(UUID(int=2)), "1" * 64, NOON, SECOND)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "\0"])
def test_a_name_is_printable(name):
    with pytest.raises(InvalidValue, match="printable"):
        replace(KEY, name=name)


def test_a_key_without_scopes_is_refused():
    with pytest.raises(InvalidValue, match="at least one scope"):
        replace(KEY, scopes=frozenset())


def test_a_caller_has_the_scopes_that_it_was_given():
    caller = Caller(tenant=ACME, principal="key:1", scopes=frozenset({Scope.JOBS_READ}))
    caller.require(Scope.JOBS_READ)
    with pytest.raises(ScopeMissing, match="'jobs:write' is missing"):
        caller.require(Scope.JOBS_WRITE)


@pytest.mark.parametrize("scope", Scope)
def test_admin_has_every_scope(scope):
    Caller(tenant=ACME, principal="key:1", scopes=frozenset({Scope.ADMIN})).require(scope)


@pytest.mark.parametrize("scope", [Scope.ADMIN, Scope.KEYS_WRITE])
def test_an_anonymous_caller_manages_no_keys(scope):
    with pytest.raises(ScopeMissing):
        anonymous(ACME).require(scope)


def test_a_caller_of_one_project_reaches_no_other():
    assert anonymous(ACME).reaches(ProjectId(1))
    limited = replace(anonymous(ACME), project=ProjectId(1))
    assert limited.reaches(ProjectId(1))
    assert not limited.reaches(ProjectId(2))


@pytest.mark.parametrize("around", ["{}", "Bearer {}", "path=/x?key={}&more=1", "'{}': not found", "{} {}"])
def test_a_key_is_masked_wherever_it_stands_in_a_text(around):
    key = KeyText.generate().value
    text = around.format(key, key)

    assert has_key(text)
    assert mask_keys(text) == around.format("ssk_...", "ssk_...")


def test_a_part_of_a_key_is_masked_and_other_texts_are_not():
    assert mask_keys(KeyText.generate().value[:20]) == "ssk_..."
    for text in ("", "ssk_", "task_name", "ssk_..."):
        assert mask_keys(text) == text
        assert not has_key(text)
