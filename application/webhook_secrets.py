"""Sealing of the secrets of webhooks and callbacks."""

from uuid import UUID

from application.errors import SecretsUnavailable, Unprocessable
from application.ports.secret_sealer import SecretSealer
from domain.sealed_secrets import SealedSecrets
from domain.webhook_signing import WebhookSecret

_NAME = "secret"


class WebhookSecrets:
    """Seals and opens the signing secrets, each for its webhook, batch or job."""

    def __init__(self, sealer: SecretSealer) -> None:
        self._sealer = sealer

    def seal(self, field: str, owner: UUID, secret: WebhookSecret) -> SealedSecrets:
        """Seal a secret.

        Args:
            field: The field that an error names.
            owner: The webhook, the batch or the job.
            secret: The secret.

        Raises:
            Unprocessable: There is no key to seal it with.
        """
        try:
            return self._sealer.seal(owner, {_NAME: secret.value})
        except SecretsUnavailable as error:
            raise Unprocessable(field, str(error)) from error

    def pass_on(self, sealed: SealedSecrets, owner: UUID, successor: UUID) -> SealedSecrets:
        """Reseal a job's secret for another job, without opening it.

        Raises:
            SecretsUnavailable: The key that it was sealed with no longer exists.
        """
        return self._sealer.pass_on(sealed, owner, successor)

    def open(self, owner: UUID, sealed: SealedSecrets) -> WebhookSecret:
        """Return a secret.

        Raises:
            SecretsUnavailable: The key that it was sealed with no longer exists.
        """
        return WebhookSecret(self._sealer.open(owner, sealed)[_NAME])
