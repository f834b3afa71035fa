"""The port to an identity provider, where visitors of the dashboard sign in."""

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class SignInAttempt:
    """A sign-in that has begun at the provider, with the secret that the visitor's browser keeps.

    The values sent to the provider are derived from the secret, so that nothing has to be stored meanwhile
    and the provider's answer is valid only in the browser that began the sign-in.
    """

    secret: str

    @property
    def state(self) -> str:
        """The value that the provider returns with its answer (RFC 6749, 10.12)."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """The value in the identity token (OpenID Connect Core 1.0, 15.5.2)."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """The secret with which the code is exchanged (RFC 7636, 4.1)."""
        return self._derive("verifier")

    @property
    def digest(self) -> str:
        """The name of the attempt in the database, where it allows a single session."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def is_answered_by(self, answer: "ProviderAnswer") -> bool:
        """Return whether the provider's answer belongs to this sign-in."""
        return hmac.compare_digest(self.state.encode(), answer.state.encode("utf-8", "replace"))

    def _derive(self, purpose: str) -> str:
        return hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """The parameters with which the provider sent the visitor back; missing ones are empty."""

    state: str = ""
    code: str = ""
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A visitor, as asserted by the provider.

    Attributes:
        subject: Its identifier at the provider, which is never reused.
        name: Its display name.
        claims: The provider's claims about it.
    """

    subject: str
    name: str
    claims: Mapping[str, Any]


class IdentityProvider(ABC):
    """An OpenID Connect identity provider: authorization code flow with PKCE."""

    @abstractmethod
    def sign_in_url(self, attempt: SignInAttempt) -> str:
        """Return the URL at which the visitor signs in.

        Raises:
            DependencyUnavailable: The provider is unavailable, or its configuration lacks its endpoints.
        """

    @abstractmethod
    def identify(self, attempt: SignInAttempt, answer: ProviderAnswer) -> Identity:
        """Exchange the code of an answer for the visitor's identity.

        Raises:
            SignInRefused: The answer does not belong to this attempt or provider, or has no valid identity.
            DependencyUnavailable: The provider is unavailable.
        """
