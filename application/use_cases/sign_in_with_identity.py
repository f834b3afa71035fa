"""Command: sign in a visitor of the dashboard with an identity from an identity provider."""

from application.errors import SignInRefused
from application.ports.identity_provider import Identity, IdentityProvider, ProviderAnswer, SignInAttempt
from application.ports.unit_of_work import UnitOfWork
from application.record_refusal import RecordRefusal, refusal_kind
from application.session_opener import Entrant, SessionOpener, SignedIn
from domain.audit import PRINCIPAL_MAX_CHARS, Act
from domain.catalogue.text import text
from domain.errors import MembershipRefused
from domain.membership import MembershipRules
from domain.session import SessionToken
from domain.tenant import TenantStatus


class SignInWithIdentity:
    """Signs in a user of the identity provider.

    * The claims of the user's identity determine the session's tenant and scopes.
    * A user is refused without a tenant or a role, or if the tenant is deleted or unknown, but not if it is
      suspended.
    * A refusal is recorded in the audit log.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        identity_provider: IdentityProvider,
        membership_rules: MembershipRules,
        session_opener: SessionOpener,
        record_refusal: RecordRefusal,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._identity_provider = identity_provider
        self._membership_rules = membership_rules
        self._session_opener = session_opener
        self._record_refusal = record_refusal

    def begin(self, attempt: SignInAttempt) -> str:
        """Return the URL at which a user signs in at the provider.

        Raises:
            SignInRefused: There is no provider.
            DependencyUnavailable: The provider is unavailable.
        """
        return self._identity_provider.sign_in_url(attempt)

    def __call__(
        self,
        attempt: SignInAttempt,
        answer: ProviderAnswer,
        address: str | None,
        before: SessionToken | None,
    ) -> SignedIn:
        """Open a session for the user in the provider's answer.

        Args:
            attempt: The sign-in that the browser began.
            answer: The provider's answer that the browser brings.
            address: The network address of the visitor.
            before: The session token that the visitor's browser has.

        Raises:
            SignInRefused: The answer does not belong to this attempt, or gives the user no access here.
            DependencyUnavailable: The provider or the database is unavailable.
        """
        subject = "provider"
        try:
            identity = self._identity_provider.identify(attempt, answer)
            subject = identity.subject
            entrant = self._entrant(identity, attempt)
        except SignInRefused as error:
            self._record_refusal(Act.SESSION_SIGN_IN, None, address, subject, refusal_kind(error))
            raise
        return self._session_opener.open(entrant, address, before)

    def _entrant(self, identity: Identity, attempt: SignInAttempt) -> Entrant:
        principal = f"user:{identity.subject}"
        if len(principal) > PRINCIPAL_MAX_CHARS or not principal.isprintable():
            raise SignInRefused(text("problems.identity_too_long"))
        try:
            membership = self._membership_rules.membership(identity.claims)
        except MembershipRefused as error:
            raise SignInRefused(text("problems.identity_refused", error=error)) from error
        tenant = self._unit_of_work.read(lambda transaction: transaction.tenants.get(membership.tenant))
        if tenant is None or tenant.status is TenantStatus.DELETED:
            raise SignInRefused(text("problems.identity_tenant", tenant=membership.tenant))
        return Entrant(
            tenant=tenant,
            principal=principal,
            name=identity.name,
            scopes=membership.scopes,
            sign_in=attempt.digest,
        )
