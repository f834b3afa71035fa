"""Command: show an administrator another tenant."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from application.session_authenticator import SessionAuthenticator, StoredSession
from domain.audit import Act
from domain.caller import Scope
from domain.errors import ScopeMissing
from domain.tenant import TenantName, TenantStatus


class SwitchTenant:
    """Switches the tenant that a session shows.

    * Only a session with the scope `admin` that is not restricted to a project can switch.
    * The switch is recorded in the audit log of the tenant that is then shown.
    """

    def __init__(
        self, *, unit_of_work: CallerUnitOfWork, session_authenticator: SessionAuthenticator
    ) -> None:
        self._unit_of_work = unit_of_work
        self._session_authenticator = session_authenticator

    def __call__(self, stored: StoredSession, name: TenantName, address: str | None) -> None:
        """Show a tenant.

        Raises:
            ScopeMissing: The session lacks the scope `admin`, or is restricted to a project.
            NotFound: There is no such tenant.
        """
        session = stored.session
        if not session.switches_tenants:
            raise ScopeMissing(Scope.ADMIN)
        tenant = self._unit_of_work.read(lambda transaction: transaction.tenants.get(name))
        if tenant is None or tenant.status is TenantStatus.DELETED:
            raise NotFound("tenant", name)

        def work(transaction: Transaction) -> None:
            transaction.sessions.switch(session.id, name)

        self._unit_of_work.run(
            session.caller(tenant, address),
            Act.SESSION_SIGN_IN,
            work,
            subject=lambda _result: str(session.id),
        )
        self._session_authenticator.forget(session.digest)
