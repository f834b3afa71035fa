"""Commands of callers, before they are known to be valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.caller import Scope
from domain.errors import InvalidValue
from domain.job import Job
from domain.submission import JobOptions, check_variables
from domain.tenant import TenantName


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCodeCommand(JobOptions):
    """Code to keep as a job, and to execute at once with `execute`.

    Attributes:
        project: The project's name, or its id written as text.
        limits: The requested ones, by the names in `Limits`; the rest gets its defaults.
        secret_env: Variables of the program that are never shown.
        secrets_of: The job whose secret variables the new one gets, in place of `secret_env`.

    Raises:
        InvalidValue: A value breaks its rule, or a variable is in `env` and in `secret_env`.
    """

    project: str
    code: str
    language: str
    limits: Mapping[str, int] = field(default_factory=dict)
    execute: bool = False
    secret_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets_of: Job | None = None

    def __post_init__(self) -> None:
        JobOptions.__post_init__(self)
        check_variables("secret_env", self.secret_env)
        if not self.env.keys().isdisjoint(self.secret_env):
            raise InvalidValue("secret_env", "has a variable that 'env' has as well")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKeyCommand:
    """A key to create.

    Attributes:
        project: The only project that it reaches, by its name or its id written as text.
        tenant: The key's tenant; the caller's by default.
        requests_per_s: The requests that it may make in a second; the caller's own bound by default.
        first: Whether it must be the first key with ADMIN that is ever made.
    """

    name: str
    scopes: frozenset[Scope]
    project: str | None = None
    expires_at: datetime | None = None
    tenant: TenantName | None = None
    requests_per_s: int | None = None
    first: bool = False
