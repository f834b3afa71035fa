"""The port to sealing, which hides secret variables from everyone except the programs that use them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from uuid import UUID

from domain.sealed_secrets import SealedSecrets
from domain.submission import NO_VARIABLES


class SecretSealer(ABC):
    """Seals secrets of jobs and of webhooks. They can only be opened for the owner they were sealed for."""

    @abstractmethod
    def seal(self, owner: UUID, variables: Mapping[str, str]) -> SealedSecrets:
        """Seal variables for an owner.

        Raises:
            SecretsUnavailable: No key is configured.
        """

    @abstractmethod
    def pass_on(self, secrets: SealedSecrets, owner: UUID, successor: UUID) -> SealedSecrets:
        """Reseal the variables of an owner for another one, without opening them.

        Raises:
            SecretsUnavailable: The key that they were sealed with is not configured, or they were not sealed
                for the owner.
        """

    @abstractmethod
    def open(self, owner: UUID, secrets: SealedSecrets) -> Mapping[str, str]:
        """Return the variables of an owner.

        Raises:
            SecretsUnavailable: The key that they were sealed with is not configured, or they were not sealed
                for the owner.
        """

    def open_any(self, owner: UUID, secrets: SealedSecrets | None) -> Mapping[str, str]:
        """Return the variables of an owner, as `open` does; none if it has no secrets."""
        return NO_VARIABLES if secrets is None else self.open(owner, secrets)
