"""Identity provider for a service that has none configured."""

from application.errors import SignInRefused
from application.ports.identity_provider import Identity, IdentityProvider, ProviderAnswer, SignInAttempt
from domain.catalogue.text import text


class NoIdentityProvider(IdentityProvider):
    """Refuses every sign-in. The message names the settings that configure a provider."""

    def sign_in_url(self, attempt: SignInAttempt) -> str:  # noqa: ARG002 - the port's
        """Refuse to begin a sign-in."""
        raise _refused()

    def identify(self, attempt: SignInAttempt, answer: ProviderAnswer) -> Identity:  # noqa: ARG002 - the port's
        """Refuse an answer."""
        raise _refused()


def _refused() -> SignInRefused:
    return SignInRefused(text("problems.oidc_none"))
