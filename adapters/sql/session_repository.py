"""SQL repository of sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.errors import inserted
from adapters.sql.mapping import to_scopes
from adapters.sql.tables import sessions
from application.ports.session_repository import Member, SessionRepository
from domain.caller import Caller
from domain.session import Session, SessionId
from domain.tenant import TenantName

_c = sessions.c
_is_of_home = _c.home == sa.bindparam("of_home")
_project: sa.BindParameter[int | None] = sa.bindparam("of_project", type_=sa.Integer)
# `_reach` returns the parameters.
_is_reached = sa.and_(_is_of_home, sa.or_(_project.is_(None), _c.project_id == _project))
_ADD = sa.insert(sessions)
_BY_DIGEST = sa.select(sessions).where(_c.digest == sa.bindparam("digest"))
_BY_ID = sa.select(sessions).where(_c.session_id == sa.bindparam("id"), _is_reached)
_LATEST = (
    sa.select(sessions)
    .where(_is_reached)
    .order_by(_c.seen_at.desc(), _c.session_id.desc())
    .limit(sa.bindparam("limit"))
)
_MEMBERS = (
    sa.select(
        _c.principal,
        sa.func.max(_c.name).label("name"),
        sa.func.count().label("sessions"),
        sa.func.min(_c.created_at, type_=_c.created_at.type).label("first_seen_at"),
        sa.func.max(_c.seen_at, type_=_c.seen_at.type).label("last_seen_at"),
    )
    .where(_is_reached)
    .group_by(_c.principal)
    .order_by(sa.desc("last_seen_at"), _c.principal)
    .limit(sa.bindparam("limit"))
)
_of_id = sa.update(sessions).where(_c.session_id == sa.bindparam("id"))
_TOUCH = _of_id.values(seen_at=sa.bindparam("new_seen_at"))
_SWITCH = _of_id.values(tenant=sa.bindparam("new_tenant"))
_END = _of_id.where(_c.ended_at.is_(None)).values(ended_at=sa.bindparam("new_ended_at"))
_END_ALL = (
    sa.update(sessions)
    .where(_is_of_home, _c.principal == sa.bindparam("of_principal"), _c.ended_at.is_(None))
    .values(ended_at=sa.bindparam("new_ended_at"))
)
_OLD = (
    sa.select(_c.session_id)
    .where(_c.expires_at < sa.bindparam("before"))
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_FORGET = sa.delete(sessions).where(_c.session_id.in_(sa.bindparam("ids", expanding=True)))


class SqlSessionRepository(SessionRepository):
    """Repository of sessions, found by id or by the digest of their secret."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> bool:
        """Store a session; return False if its sign-in has created one before."""
        row = {
            "session_id": session.id,
            "digest": session.digest,
            "home": session.home.value,
            "tenant": session.tenant.value,
            "principal": session.principal,
            "name": session.name,
            "scopes": sorted(session.scopes),
            "project_id": session.project,
            "key_id": session.key_id,
            "sign_in": session.sign_in,
            "address": session.address,
            "created_at": session.created_at,
            "seen_at": session.seen_at,
            "expires_at": session.expires_at,
            "ended_at": session.ended_at,
        }
        if session.sign_in is None:
            self._connection.execute(_ADD, row)
            return True
        return inserted(lambda: self._connection.execute(_ADD, row))

    def find(self, digest: str) -> Session | None:
        """Return the session whose secret has a digest, in any status, or None."""
        return self._one(_BY_DIGEST, {"digest": digest})

    def get(self, caller: Caller, session_id: SessionId) -> Session | None:
        """Return the session with an id, in any status, or None if the caller can access none."""
        return self._one(_BY_ID, {"id": session_id, **_reach(caller)})

    def latest(self, caller: Caller, limit: int) -> Sequence[Session]:
        """Return up to `limit` sessions that the caller can access, most recently seen first."""
        parameters = {"limit": limit, **_reach(caller)}
        return [_to_session(row) for row in self._connection.execute(_LATEST, parameters).mappings()]

    def members(self, caller: Caller, limit: int) -> Sequence[Member]:
        """Return up to `limit` principals of the sessions that the caller can access."""
        parameters = {"limit": limit, **_reach(caller)}
        return [Member(**row) for row in self._connection.execute(_MEMBERS, parameters).mappings()]

    def touch(self, session_id: SessionId, seen_at: datetime) -> None:
        """Store the time of the visitor's last activity in a session."""
        self._connection.execute(_TOUCH, {"id": session_id, "new_seen_at": seen_at})

    def switch(self, session_id: SessionId, tenant: TenantName) -> None:
        """Store the tenant whose data a session shows."""
        self._connection.execute(_SWITCH, {"id": session_id, "new_tenant": tenant.value})

    def end(self, session_id: SessionId, now: datetime) -> None:
        """End a session."""
        self._connection.execute(_END, {"id": session_id, "new_ended_at": now})

    def end_all(self, home: TenantName, principal: str, now: datetime) -> int:
        """End every session of a principal; return the number of newly ended ones."""
        parameters = {"of_home": home.value, "of_principal": principal, "new_ended_at": now}
        return self._connection.execute(_END_ALL, parameters).rowcount

    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` sessions that expired before a time; return their number."""
        old = self._connection.execute(_OLD, {"before": before, "limit": limit}).scalars().all()
        if old:
            self._connection.execute(_FORGET, {"ids": sorted(old)})
        return len(old)

    def _one(self, statement: sa.Select[Any], parameters: dict[str, object]) -> Session | None:
        row = self._connection.execute(statement, parameters).mappings().first()
        return None if row is None else _to_session(row)


def _reach(caller: Caller) -> dict[str, object]:
    return {"of_home": caller.tenant.name.value, "of_project": caller.project}


def _to_session(row: sa.RowMapping) -> Session:
    return Session(
        id=row["session_id"],
        digest=row["digest"],
        home=TenantName(row["home"]),
        tenant=TenantName(row["tenant"]),
        principal=row["principal"],
        name=row["name"],
        scopes=to_scopes(row["scopes"]),
        project=row["project_id"],
        key_id=row["key_id"],
        sign_in=row["sign_in"],
        address=row["address"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
    )
