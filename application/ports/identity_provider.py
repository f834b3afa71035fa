"""The port to an identity provider, where visitors of the dashboard sign in."""

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class SignInAttempt:
    """A sign-in that has begun at the provider, and its secret, which the visitor's browser keeps.

    The texts for the provider are derived from the secret: nothing is stored meanwhile, and an answer of the
    provider fits only the browser that asked for it.
    """

    secret: str

    @property
    def state(self) -> str:
        """The text that the provider gives back with its answer (RFC 6749, 10.12)."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """The text in the identity token (OpenID Connect Core 1.0, 15.5.2)."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """The secret that the code is exchanged with (RFC 7636, 4.1)."""
        return self._derive("verifier")

    @property
    def digest(self) -> str:
        """The name of the attempt in the database, where it is good for one session."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def _derive(self, purpose: str) -> str:
        return hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """The parameters that the provider sent the visitor back with; empty where one is missing."""

    state: str = ""
    code: str = ""
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A visitor, as the provider vouches for it.

    Attributes:
        subject: Its name at the provider, which is never given anew.
        name: Its name for people.
        claims: The provider's claims about it.
    """

    subject: str
    name: str
    claims: Mapping[str, Any]


class IdentityProvider(ABC):
    """An identity provider by OpenID Connect: authorization code with PKCE."""

    @abstractmethod
    def sign_in_url(self, attempt: SignInAttempt) -> str:
        """Return the address at which the visitor signs in.

        Raises:
            DependencyUnavailable: The provider is out of reach, or does not name its parts.
        """

    @abstractmethod
    def identify(self, attempt: SignInAttempt, answer: ProviderAnswer) -> Identity:
        """Exchange the code of an answer for the visitor's identity.

        Raises:
            SignInRefused: The answer is not of this attempt or of this provider, or has no valid identity.
            DependencyUnavailable: The provider is out of reach.
        """
