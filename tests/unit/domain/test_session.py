import hashlib
from datetime import timedelta

import pytest

from domain.caller import Scope
from domain.errors import InvalidValue
from domain.session import SessionStatus, SessionToken
from tests.support.callers import a_tenant
from tests.support.samples import NOW, a_session

IDLE = timedelta(hours=1)


def test_a_secret_has_256_random_bits_and_is_never_shown():
    tokens = {SessionToken.generate().value for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}
    assert all(token not in repr(SessionToken(token)) for token in tokens)


def test_the_digest_is_the_sha_256_of_the_secret():
    token = SessionToken.generate()

    assert token.digest == hashlib.sha256(token.value.encode()).hexdigest()


def test_each_secret_has_a_form_token_of_its_own_that_does_not_contain_it():
    one, other = SessionToken.generate(), SessionToken.generate()

    assert one.form_token == SessionToken(one.value).form_token
    assert one.form_token not in {other.form_token, one.digest, one.value}


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "é", "a" * 43 + "\n"])
def test_a_text_that_is_no_secret_is_refused(text: str):
    with pytest.raises(InvalidValue):
        SessionToken(text)


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (timedelta(), SessionStatus.OPEN),
        (IDLE - timedelta(microseconds=1), SessionStatus.OPEN),
        (IDLE, SessionStatus.EXPIRED),
    ],
)
def test_a_session_expires_when_its_visitor_does_nothing(after: timedelta, status: SessionStatus):
    assert a_session().status(NOW + after, IDLE) is status


def test_a_session_expires_whatever_its_visitor_does():
    end = NOW + timedelta(hours=12)
    session = a_session(expires_at=end, seen_at=end)

    assert session.status(end - timedelta(microseconds=1), IDLE) is SessionStatus.OPEN
    assert session.status(end, IDLE) is SessionStatus.EXPIRED


def test_an_ended_session_is_never_open_again():
    assert a_session(ended_at=NOW).status(NOW - timedelta(hours=1), IDLE) is SessionStatus.ENDED


def test_its_caller_has_its_rights_in_the_tenant_that_it_shows():
    session = a_session(scopes=frozenset({Scope.JOBS_READ}), principal="user:1")

    caller = session.caller(a_tenant("other"), "192.0.2.1")

    assert caller.tenant.name.value == "other"
    assert (caller.principal, caller.scopes, caller.address) == ("user:1", session.scopes, "192.0.2.1")


@pytest.mark.parametrize(
    ("scopes", "project", "switches"),
    [
        ({Scope.ADMIN}, None, True),
        ({Scope.ADMIN}, 7, False),
        (frozenset(Scope) - {Scope.ADMIN}, None, False),
    ],
)
def test_only_an_administrator_of_all_projects_switches_tenants(scopes, project, switches):
    assert a_session(scopes=frozenset(scopes), project=project).switches_tenants is switches
