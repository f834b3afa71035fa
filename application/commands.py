"""Commands of callers, before they are known to be valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from application.new_files import NewBlob, NewFile
from application.submitted_cases import NewCase
from application.submitted_judges import NewChecker, NewJudgeProgram
from domain.caller import Scope
from domain.case_set import CaseSetReference
from domain.cases import JobCases, StopOn
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.job import Job
from domain.submission import JobOptions, check_variables
from domain.tenant import TenantName
from domain.webhook import WebhookEvent
from domain.webhook_signing import WebhookSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCodeCommand(JobOptions):
    """Code to keep as a job, and to execute at once with `execute`.

    Attributes:
        project: The project's name, or its id written as text.
        code: The source code; None if the file that is run is among `files`.
        files: Files beside the code.
        stdin_blob: The program's input, in place of `stdin`.
        limits: The requested ones, by the names in `Limits`; the rest gets its defaults.
        secret_env: Variables of the program that are never shown.
        rerun_of: The job that is run again: the new one gets its code and its secret variables, in place of
            `code` and `secret_env`, and its secret signs the callback.
        cases: The inputs that the program is run for; none to run it once.
        stop_on: When the remaining cases are skipped; None for never.
        case_set: A case set of the project that they are taken from, in place of `cases`.
        checker: Compares outputs with the expected ones; None for the default.
        interactor: Speaks with the program in place of a checker.
        cases_of: The cases of another job of the tenant, with all that judges them; beside `cases`, the
            latter alone.
        callback_secret: The secret that signs the callback; one that is made by default.

    Raises:
        InvalidValue: A value breaks its rule, or a variable is in `env` and in `secret_env`.
    """

    project: str
    code: str | None
    language: str
    files: tuple[NewFile, ...] = ()
    stdin_blob: NewBlob | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    execute: bool = False
    secret_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    rerun_of: Job | None = None
    cases: tuple[NewCase, ...] | None = None
    stop_on: StopOn | None = None
    case_set: CaseSetReference | None = None
    checker: NewChecker | None = None
    interactor: NewJudgeProgram | None = None
    cases_of: JobCases | None = None
    callback_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        JobOptions.__post_init__(self)
        check_variables("secret_env", self.secret_env)
        if not self.env.keys().isdisjoint(self.secret_env):
            raise InvalidValue("secret_env", text("problems.secret_env_in_env"))
        has_cases = self.cases is not None or self.case_set is not None
        if self.cases is not None and self.case_set is not None:
            raise InvalidValue("case_set", text("problems.instead_of_cases"))
        for name in ("stop_on", "checker", "interactor"):
            if not has_cases and getattr(self, name) is not None:
                raise InvalidValue(name, text("problems.needs_cases"))
        if has_cases and self.artifacts:
            raise InvalidValue("artifacts", text("problems.artifacts_with_cases"))
        if self.checker is not None and self.interactor is not None:
            raise InvalidValue("interactor", text("problems.instead_of_checker"))
        if has_cases and (self.stdin or self.stdin_blob is not None or self.stdin_file is not None):
            name = "stdin_file" if self.stdin_file else "stdin_base64" if self.stdin_blob else "stdin"
            raise InvalidValue(name, text("problems.of_each_case"))
        if self.callback_secret is not None:
            if self.callback_url is None:
                raise InvalidValue("callback_secret", text("problems.secret_without_callback"))
            WebhookSecret(self.callback_secret)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWebhookCommand:
    """A subscription to events to make.

    Attributes:
        project: The project, by its name or its id written as text; all that the caller reaches by default.
        secret: The secret that signs; one that is made by default.

    Raises:
        InvalidValue: The secret is none.
    """

    url: str
    events: frozenset[WebhookEvent]
    project: str | None = None
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.secret is not None:
            try:
                WebhookSecret(self.secret)
            except InvalidValue as error:
                raise InvalidValue("secret", error.detail) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCommand:
    """The receiver of the end of a batch.

    Attributes:
        secret: The secret that signs what is posted; one that is made by default.

    Raises:
        InvalidValue: The secret is none.
    """

    url: str
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.secret is not None:
            WebhookSecret(self.secret)
