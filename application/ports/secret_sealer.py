"""The port to sealing, which keeps secret variables from all but the programs that they are for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from domain.submission import SealedSecrets
from domain.values import JobId


class SecretSealer(ABC):
    """Seals the secret variables of jobs. Sealed for one job, they open for no other."""

    @abstractmethod
    def seal(self, job_id: JobId, variables: Mapping[str, str]) -> SealedSecrets:
        """Seal variables for a job.

        Raises:
            SecretsUnavailable: No key is configured.
        """

    @abstractmethod
    def pass_on(self, secrets: SealedSecrets, job_id: JobId, successor: JobId) -> SealedSecrets:
        """Seal the variables of a job for another one, without opening them.

        Raises:
            SecretsUnavailable: The key that they are sealed with is not configured, or they are not sealed
                for the job.
        """

    @abstractmethod
    def open(self, job_id: JobId, secrets: SealedSecrets) -> Mapping[str, str]:
        """Return the variables of a job.

        Raises:
            SecretsUnavailable: The key that they are sealed with is not configured, or they are not sealed
                for the job.
        """
