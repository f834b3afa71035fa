"""Sessions: their opening, their ends, and the entries that they leave in the audit log."""

from datetime import timedelta

import pytest

from application.errors import NotAuthenticated, NotFound, SignInRefused
from application.session_opener import SignedIn
from domain.api_key import KeyText
from domain.audit import AuditEntry
from domain.caller import Scope
from domain.errors import ScopeMissing
from domain.session import SessionToken
from domain.tenant import TenantName, TenantTrigger
from tests.support.callers import a_caller, a_tenant
from tests.support.in_memory_service import InMemoryService
from tests.support.samples import an_api_key

ADDRESS = "192.0.2.1"


@pytest.fixture
def service() -> InMemoryService:
    service = InMemoryService()
    for name in ("acme", "other"):
        service.unit_of_work.run(lambda transaction, name=name: transaction.tenants.add(a_tenant(name)))
    return service


def a_key(service: InMemoryService, **changed):
    """Store a key; return it and its text."""
    text = KeyText.generate()
    key = an_api_key(**{"digest": text.digest, "created_at": service.clock.now(), **changed})
    service.unit_of_work.run(lambda transaction: transaction.keys.add(key))
    return key, text.value


def sign_in(service: InMemoryService, before: SessionToken | None = None, **changed) -> SignedIn:
    return service.sign_in_with_key(a_key(service, **changed)[1], ADDRESS, before)


def is_let_in(service: InMemoryService, signed_in: SignedIn) -> bool:
    authenticator = service.session_authenticator
    try:
        authenticator.admit(authenticator.look_up(signed_in.token.digest), ADDRESS)
    except NotAuthenticated:
        return False
    return True


def stored(service: InMemoryService, signed_in: SignedIn):
    return service.session_authenticator.look_up(signed_in.token.digest)


def entries(service: InMemoryService) -> list[AuditEntry]:
    return service.unit_of_work.read(lambda transaction: transaction.audit.waiting(100))


def change(service: InMemoryService, tenant: str, trigger: TenantTrigger) -> None:
    def work(transaction) -> None:
        before = transaction.tenants.get(TenantName(tenant))
        transaction.tenants.replace(before, before.apply(trigger))

    service.unit_of_work.run(work)


def test_a_session_has_the_rights_of_its_key_and_an_entry(service):
    signed_in = sign_in(service, name="build", scopes=frozenset({Scope.JOBS_READ}))

    caller = service.session_authenticator.admit(stored(service, signed_in), ADDRESS)

    assert (caller.tenant.name.value, caller.scopes) == ("acme", {Scope.JOBS_READ})
    (entry,) = entries(service)
    assert (entry.act, entry.outcome, entry.tenant.value) == ("session.sign_in", "done", "acme")
    assert (entry.principal, entry.subject) == (caller.principal, str(signed_in.session.id))
    assert entry.address == ADDRESS
    assert signed_in.token.value not in repr(entry)


def test_a_session_has_the_bounds_of_its_key(service):
    end = service.clock.now() + timedelta(hours=1)
    signed_in = sign_in(service, requests_per_s=5, expires_at=end)

    caller = service.session_authenticator.admit(stored(service, signed_in), ADDRESS)

    assert (caller.requests_per_s, caller.expires_at) == (5, end)


@pytest.mark.parametrize("text", ["", "ssk_x", f"ssk_{'0' * 49}"])
def test_a_bad_key_is_refused_with_an_entry(service, text):
    with pytest.raises(SignInRefused):
        service.sign_in_with_key(text, ADDRESS, None)

    (entry,) = entries(service)
    assert (entry.act, entry.outcome, entry.principal) == ("session.sign_in", "sign_in_refused", "unknown")
    assert entry.address == ADDRESS


def test_a_session_ends_when_its_visitor_does_nothing(service):
    signed_in = sign_in(service)
    service.clock.advance(3_599)
    assert is_let_in(service, signed_in)

    service.clock.advance(1)
    assert not is_let_in(service, signed_in)


def test_an_act_of_its_visitor_prolongs_a_session_but_not_for_ever(service):
    signed_in = sign_in(service)
    authenticator = service.session_authenticator

    for _ in range(23):
        service.clock.advance(1_800)
        assert authenticator.is_to_touch(stored(service, signed_in))
        authenticator.touch(stored(service, signed_in))
        assert not authenticator.is_to_touch(stored(service, signed_in))
        assert is_let_in(service, signed_in)

    service.clock.advance(1_800)
    assert not is_let_in(service, signed_in)


def test_a_session_ends_when_its_key_expires(service):
    signed_in = sign_in(service, expires_at=service.clock.now() + timedelta(minutes=10))

    service.clock.advance(599)
    assert is_let_in(service, signed_in)
    service.clock.advance(1)
    assert not is_let_in(service, signed_in)


def test_a_session_ends_with_its_key(service):
    key, text = a_key(service)
    signed_in = service.sign_in_with_key(text, ADDRESS, None)

    service.unit_of_work.run(
        lambda transaction: transaction.keys.replace(key, key.revoke(service.clock.now()))
    )

    assert not is_let_in(service, signed_in)


def test_a_suspended_tenants_session_goes_on_and_a_deleted_ones_ends(service):
    signed_in = sign_in(service)

    change(service, "acme", TenantTrigger.SUSPEND)
    assert is_let_in(service, signed_in)
    change(service, "acme", TenantTrigger.DELETE)
    assert not is_let_in(service, signed_in)


def test_a_sign_in_ends_the_session_that_the_browser_had(service):
    before = sign_in(service)
    after = sign_in(service, before.token)

    assert not is_let_in(service, before)
    assert is_let_in(service, after)


def test_signing_out_is_recorded(service):
    signed_in = sign_in(service)

    service.sign_out(stored(service, signed_in), ADDRESS)

    assert not is_let_in(service, signed_in)
    assert [entry.act for entry in entries(service)] == ["session.sign_in", "session.sign_out"]


def test_signing_out_everywhere_ends_the_principals_sessions_alone(service):
    _key, text = a_key(service)
    here, there = (service.sign_in_with_key(text, ADDRESS, None) for _ in range(2))
    bystander = sign_in(service)

    assert service.sign_out.everywhere(stored(service, here), ADDRESS) == 2

    assert [is_let_in(service, one) for one in (here, there, bystander)] == [False, False, True]


def test_a_session_of_another_takes_the_right_to_keys(service):
    signed_in = sign_in(service)
    session_id = signed_in.session.id

    with pytest.raises(ScopeMissing):
        service.sign_out.of_member(a_caller("acme", scopes=frozenset({Scope.JOBS_READ})), session_id)
    with pytest.raises(NotFound):
        service.sign_out.of_member(a_caller("other"), session_id)
    assert is_let_in(service, signed_in)

    service.sign_out.of_member(a_caller("acme", scopes=frozenset({Scope.KEYS_WRITE})), session_id)
    assert not is_let_in(service, signed_in)
    assert [(entry.act, entry.outcome) for entry in entries(service)[1:]] == [
        ("session.sign_out", "scope_missing"),
        ("session.sign_out", "not_found"),
        ("session.sign_out", "done"),
    ]


def test_only_an_administrator_ends_an_administrators_session(service):
    session_id = sign_in(service, scopes=frozenset({Scope.ADMIN})).session.id

    with pytest.raises(ScopeMissing, match=Scope.ADMIN):
        service.sign_out.of_member(a_caller("acme", scopes=frozenset({Scope.KEYS_WRITE})), session_id)
    service.sign_out.of_member(a_caller("acme", scopes=frozenset({Scope.ADMIN})), session_id)


def test_an_administrator_is_shown_another_tenant_whose_log_says_so(service):
    signed_in = sign_in(service, scopes=frozenset({Scope.ADMIN}))

    service.switch_tenant(stored(service, signed_in), TenantName("other"), ADDRESS)

    caller = service.session_authenticator.admit(stored(service, signed_in), ADDRESS)
    assert caller.tenant.name.value == "other"
    assert entries(service)[-1].tenant.value == "other"
    assert entries(service)[-1].principal == signed_in.session.principal


def test_a_tenant_that_is_deleted_while_it_is_shown_gives_way_to_the_own(service):
    signed_in = sign_in(service, scopes=frozenset({Scope.ADMIN}))
    service.switch_tenant(stored(service, signed_in), TenantName("other"), ADDRESS)

    change(service, "other", TenantTrigger.DELETE)

    caller = service.session_authenticator.admit(stored(service, signed_in), ADDRESS)
    assert caller.tenant.name.value == "acme"


def test_only_an_administrator_switches(service):
    signed_in = sign_in(service, scopes=frozenset(Scope) - {Scope.ADMIN})

    with pytest.raises(ScopeMissing):
        service.switch_tenant(stored(service, signed_in), TenantName("other"), ADDRESS)


def test_old_sessions_are_forgotten(service):
    signed_in = sign_in(service)

    service.clock.advance(90 * 86_400 + 43_199)
    assert service.forget_sessions() == 0
    service.clock.advance(2)
    assert service.forget_sessions() == 1
    assert stored(service, signed_in) is None
