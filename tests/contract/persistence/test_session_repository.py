from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from domain.caller import Scope
from domain.tenant import TenantName
from tests.support.callers import a_caller
from tests.support.samples import LATER, NOW, a_session

ACME, OTHER = a_caller("acme"), a_caller("other")


def add(store, **changed):
    session = a_session(**changed)
    assert store.run(lambda transaction: transaction.sessions.add(session))
    return session


def find(store, session):
    return store.run(lambda transaction: transaction.sessions.find(session.digest))


def test_a_session_is_found_by_the_digest_of_its_secret(store):
    session = add(
        store,
        name="Zoë \U0001f600",
        scopes=frozenset({Scope.JOBS_READ, Scope.ADMIN}),
        project=7,
        key_id=uuid4(),
        sign_in="5" * 64,
        address="2001:db8::1",
        ended_at=LATER,
    )

    assert find(store, session) == session
    assert store.run(lambda transaction: transaction.sessions.find("0" * 64)) is None


def test_a_session_is_reached_from_the_tenant_of_its_principal_alone(store):
    session = add(store, tenant=TenantName("other"))

    assert store.run(lambda transaction: transaction.sessions.get(ACME, session.id)) == session
    assert store.run(lambda transaction: transaction.sessions.get(OTHER, session.id)) is None
    assert store.run(lambda transaction: transaction.sessions.latest(OTHER, 10)) == []
    assert store.run(lambda transaction: transaction.sessions.members(OTHER, 10)) == []


def test_a_caller_of_one_project_reaches_the_sessions_of_that_project_alone(store):
    own, others = add(store, project=7, principal="key:7"), [add(store, project=8), add(store, project=None)]
    caller = a_caller("acme", project=7)

    assert store.run(lambda transaction: transaction.sessions.get(caller, own.id)) == own
    for other in others:
        assert store.run(lambda transaction, other=other: transaction.sessions.get(caller, other.id)) is None
    assert store.run(lambda transaction: transaction.sessions.latest(caller, 10)) == [own]
    (member,) = store.run(lambda transaction: transaction.sessions.members(caller, 10))
    assert member.principal == "key:7"


def test_a_sign_in_makes_one_session_at_most(store):
    first = add(store, sign_in="a" * 64)
    replayed = a_session(sign_in="a" * 64)

    assert not store.run(lambda transaction: transaction.sessions.add(replayed))

    assert find(store, replayed) is None
    assert find(store, first) == first


def test_sessions_without_a_sign_in_do_not_exclude_each_other(store):
    assert add(store).id != add(store).id


def test_the_session_seen_last_is_listed_first(store):
    early, late = add(store, seen_at=NOW), add(store, seen_at=LATER)

    assert store.run(lambda transaction: transaction.sessions.latest(ACME, 10)) == [late, early]
    assert store.run(lambda transaction: transaction.sessions.latest(ACME, 1)) == [late]


def test_members_are_the_principals_that_have_signed_in(store):
    add(store, principal="user:1", name="a@example.com", created_at=NOW, seen_at=NOW)
    add(store, principal="user:1", name="a@example.com", created_at=LATER, seen_at=LATER, ended_at=LATER)
    add(store, principal="user:2", name="b@example.com", created_at=NOW, seen_at=NOW)
    add(store, principal="user:3", home=TenantName("other"))

    members = store.run(lambda transaction: transaction.sessions.members(ACME, 10))

    assert [(member.principal, member.name, member.sessions) for member in members] == [
        ("user:1", "a@example.com", 2),
        ("user:2", "b@example.com", 1),
    ]
    assert (members[0].first_seen_at, members[0].last_seen_at) == (NOW, LATER)


def test_a_session_is_touched_and_switched(store):
    session, bystander = add(store), add(store)

    store.run(lambda transaction: transaction.sessions.touch(session.id, LATER))
    store.run(lambda transaction: transaction.sessions.switch(session.id, TenantName("other")))

    assert find(store, session) == replace(session, seen_at=LATER, tenant=TenantName("other"))
    assert find(store, bystander) == bystander


def test_a_session_ends_once(store):
    session, bystander = add(store), add(store)

    store.run(lambda transaction: transaction.sessions.end(session.id, NOW))
    store.run(lambda transaction: transaction.sessions.end(session.id, LATER))

    assert find(store, session) == replace(session, ended_at=NOW)
    assert find(store, bystander) == bystander


def test_every_session_of_a_principal_ends(store):
    mine = [add(store), add(store), add(store, ended_at=NOW)]
    others = [add(store, principal="user:2"), add(store, home=TenantName("other"))]

    ended = store.run(
        lambda transaction: transaction.sessions.end_all(ACME.tenant.name, mine[0].principal, LATER)
    )

    assert ended == 2
    assert [find(store, session).ended_at for session in mine] == [LATER, LATER, NOW]
    assert [find(store, session) for session in others] == others


def test_sessions_that_expired_long_ago_are_forgotten_in_batches(store):
    old = [add(store, expires_at=NOW - timedelta(days=day)) for day in (1, 2, 3)]
    kept = add(store, expires_at=NOW)

    forgotten = [
        store.run(lambda transaction: transaction.sessions.forget_of_any_tenant(NOW, 2)) for _ in range(3)
    ]

    assert forgotten == [2, 1, 0]
    assert [find(store, session) for session in old] == [None] * 3
    assert find(store, kept) == kept
