"""The preparation of uploads: every check, and the sealing of secrets, before anything is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import UploadCodeCommand
from application.errors import NotFound, Unprocessable
from application.log_context import current_request_id, trace_context
from application.new_files import BlobContent
from application.ports.execution_engine import ExecutionEngine, LanguageSupport
from application.ports.id_generator import IdGenerator
from application.ports.secret_sealer import SecretSealer
from application.ports.unit_of_work import Transaction
from application.project_lookup import existing_project
from application.submitted_cases import submit, with_files
from application.submitted_judges import SubmittedJudges
from application.submitted_program import SubmittedProgram, check_disk
from application.webhook_secrets import WebhookSecrets
from domain.audit import NO_USAGE, Usage
from domain.blob import BlobRef
from domain.caller import Caller
from domain.case_set import CaseSetReference, CaseSetVersion
from domain.cases import JobCases, StopOn
from domain.catalogue.text import text
from domain.events import Event
from domain.execution import Execution
from domain.job import Job
from domain.language import Language, parse_language
from domain.limits import LimitPolicy
from domain.project import Project
from domain.sealed_secrets import SealedSecrets
from domain.submission import JobSpec
from domain.submission_limits import SubmissionLimits
from domain.tenant import TenantName
from domain.values import (
    BatchId,
    ExecutionId,
    JobId,
    ObjectKey,
    ProjectId,
    ProjectName,
    parse_project_reference,
)
from domain.webhook_signing import WebhookSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A checked upload whose code and job are not stored yet.

    Attributes:
        reference: The project's name or id.
        execution_id: The id of its execution; None if it is not executed at once.
        code: The code; None if it is copied from another job, with the key `code_source`.
        made_secret: The secret of its callback if it was generated here; it is shown only to the caller.
        contents: The contents of its files, cases and judges that have to be stored.
    """

    job_id: JobId
    reference: ProjectId | ProjectName
    spec: JobSpec
    code: bytes | None
    execution_id: ExecutionId | None
    contents: Mapping[BlobRef, BlobContent] = field(default_factory=dict)
    made_secret: WebhookSecret | None = None
    code_source: ObjectKey | None = None

    @property
    def added(self) -> Usage:
        """The usage that it adds, without its files; `executions` counts waiting ones."""
        is_executed = self.execution_id is not None
        return Usage(uploads=1, executions=int(is_executed), stored_bytes=self.spec.code_bytes)

    def refer(self, transaction: Transaction, tenant: TenantName) -> Usage:
        """Make the job an owner of its files and cases; return the usage that they add."""
        blobs = self.spec.blobs
        return Usage(stored_bytes=transaction.blobs.refer(tenant, self.job_id, blobs)) if blobs else NO_USAGE

    def job(
        self, project: Project, now: datetime, batch_id: BatchId | None = None
    ) -> tuple[Job, Execution | None, tuple[Event, ...]]:
        """Return the job, its execution if it is executed at once, and the events.

        Raises:
            ProjectTransitionRefused: The project takes no new work.
        """
        job, events = Job.submit(self.job_id, project, self.spec, now, batch_id)
        if self.execution_id is None:
            return job, None, events
        started, execution, more = job.start(
            self.execution_id, None, now, current_request_id(), trace_context.get()
        )
        return started, execution, (*events, *more)


class SubmissionPreparer:
    """Checks uploads against everything except counted quotas, and seals their secrets.

    * The file that is run is the job's code, whether it came as `code` or among the files.
    * Secret variables are sealed before the job is stored, and refused if there is no key to seal them.
    * Requests to the callback are signed with a secret that is given by the caller, or generated and returned
      only once. It is sealed, and refused if there is no key to seal it.
    * The language must be one that the engine supports here and now.
    * The limits of the job and of its cases, and its priority, must not exceed the tenant's quota; larger
      defaults are lowered to it.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        engine: ExecutionEngine,
        secret_sealer: SecretSealer,
        webhook_secrets: WebhookSecrets,
        ids: IdGenerator,
        limit_policy: LimitPolicy,
        submission_limits: SubmissionLimits,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._secret_sealer = secret_sealer
        self._webhook_secrets = webhook_secrets
        self._ids = ids
        self._limit_policy = limit_policy
        self._submission_limits = submission_limits

    def prepare(
        self, caller: Caller, command: UploadCodeCommand, languages: Sequence[LanguageSupport] | None = None
    ) -> Submission:
        """Check an upload, and seal its secrets.

        Args:
            caller: The caller.
            command: The upload.
            languages: The engine's languages, if several uploads are checked together.

        Raises:
            InvalidValue: A value breaks its rule.
            Unprocessable: The language is unavailable here, or secrets cannot be sealed.
            NotFound: There is no project with the id.
        """
        support = _supported(command.language, self.languages() if languages is None else languages)
        if command.cases is not None:
            cases_given, files = with_files(command.cases, command.files, self._submission_limits)
            command = replace(command, cases=cases_given, files=files)
        _check_taken(support, command)
        language = support.language
        self._check_runtime(language, command)
        origin = command.rerun_of
        program = SubmittedProgram.of(command, language, self._submission_limits)
        reference = parse_project_reference(command.project)
        job_id = JobId(self._ids.new())
        code_key = self._code_key(caller, reference, job_id, language)
        spec = self._spec(caller, command, language, code_key, program)
        self._submission_limits.check_spec(spec, command.secret_env)
        check_disk(spec)
        cases, contents = self._submitted_cases(caller, reference, command)
        callback_secret, made_secret = self._callback_secret(command, job_id)
        return Submission(
            job_id=job_id,
            reference=reference,
            spec=replace(
                spec,
                secrets=self._sealed(command, job_id),
                callback_secret=callback_secret,
                cases=cases,
            ),
            contents={**program.contents, **contents},
            code=program.code if origin is None else None,
            code_source=None if origin is None else origin.spec.code_key,
            execution_id=ExecutionId(self._ids.new()) if command.execute else None,
            made_secret=made_secret,
        )

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the engine's current languages."""
        return self._engine.languages()

    def _submitted_cases(
        self, caller: Caller, reference: ProjectId | ProjectName, command: UploadCodeCommand
    ) -> tuple[JobCases | None, Mapping[BlobRef, BlobContent]]:
        """Return references to the cases of an upload, and the contents that have to be stored."""
        if command.cases is None and command.cases_of is None and command.case_set is None:
            return None, {}
        if (refusal := self._engine.refuses_cases()) is not None:
            field = "cases" if command.case_set is None else "case_set"
            raise Unprocessable(field, text("problems.cases_not_here", reason=refusal))
        stop_on = command.stop_on or StopOn.NEVER
        contents: dict[BlobRef, BlobContent] = {}
        if command.cases is not None:
            policy = self._limit_policy.lowered_to(caller.tenant.quota.limits)
            cases, manifest = submit(command.cases, stop_on, self._submission_limits, policy)
            contents[cases.manifest] = manifest
            if command.cases_of is not None:
                earlier = command.cases_of
                cases = replace(earlier, manifest=cases.manifest, total=cases.total, case_set=None)
                return cases, contents
        elif command.case_set is not None:
            version = self._case_set(caller, reference, command.case_set)
            cases = JobCases(
                manifest=version.manifest,
                total=version.total,
                stop_on=stop_on,
                case_set=str(version.reference),
            )
        else:
            return command.cases_of, {}
        judges = SubmittedJudges(self._submission_limits, lambda name: _available(name, self.languages()))
        checker = judges.checker(command.checker)
        interactor = None
        if command.interactor is not None:
            interactor = judges.program("interactor", command.interactor)
        return replace(cases, checker=checker, interactor=interactor), {**contents, **judges.contents}

    def _case_set(
        self, caller: Caller, reference: ProjectId | ProjectName, wanted: CaseSetReference
    ) -> CaseSetVersion:
        """Return a version of a case set of an upload's project.

        Raises:
            NotFound: There is no such version.
        """

        def read(transaction: Transaction) -> CaseSetVersion | None:
            project = transaction.projects.get(caller, reference)
            is_there = project is not None and project.is_live
            return transaction.case_sets.get(project, wanted) if project is not None and is_there else None

        version = self._unit_of_work.read(read)
        if version is None:
            raise NotFound("case set", wanted)
        return version

    def _check_runtime(self, language: Language, command: UploadCodeCommand) -> None:
        """Refuse an unavailable runtime, and presets that the runtime does not have."""
        if command.runtime is None and not command.presets:
            return
        runtimes = {support.name: support for support in self._engine.runtimes()}
        support = runtimes.get(command.runtime or language.name)
        if support is None or support.language != language:
            names = ", ".join(name for name, one in runtimes.items() if one.language == language)
            raise Unprocessable("runtime", text("problems.runtime_unknown", language=language, names=names))
        if support.unavailable_because is not None:
            raise Unprocessable(
                "runtime",
                text("problems.runtime_unavailable", name=support.name, reason=support.unavailable_because),
            )
        unknown = [name for name in command.presets if name not in support.presets]
        if unknown:
            presets = ", ".join(support.presets) or "none"
            raise Unprocessable(
                "presets",
                text("problems.preset_unknown", name=support.name, preset=unknown[0], presets=presets),
            )

    def _sealed(self, command: UploadCodeCommand, job_id: JobId) -> SealedSecrets | None:
        origin = command.rerun_of
        if origin is not None and origin.spec.secrets is not None:
            return self._secret_sealer.pass_on(origin.spec.secrets, origin.id, job_id)
        return self._secret_sealer.seal(job_id, command.secret_env) if command.secret_env else None

    def _callback_secret(
        self, command: UploadCodeCommand, job_id: JobId
    ) -> tuple[SealedSecrets | None, WebhookSecret | None]:
        """Return the sealed secret of the callback, and the secret itself if it is generated here."""
        if command.callback_url is None:
            return None, None
        origin = command.rerun_of
        if origin is not None and origin.spec.callback_secret is not None:
            return self._webhook_secrets.pass_on(origin.spec.callback_secret, origin.id, job_id), None
        if command.callback_secret is not None:
            return self._seal_callback(job_id, WebhookSecret(command.callback_secret)), None
        made = WebhookSecret.generate()
        return self._seal_callback(job_id, made), made

    def _seal_callback(self, job_id: JobId, secret: WebhookSecret) -> SealedSecrets:
        return self._webhook_secrets.seal("callback_url", job_id, secret)

    def _code_key(
        self, caller: Caller, reference: ProjectId | ProjectName, job_id: JobId, language: Language
    ) -> ObjectKey:
        name = reference
        if not isinstance(name, ProjectName):
            project_id = name
            project = self._unit_of_work.read(lambda t: existing_project(t, caller, project_id))
            name = project.name
        return ObjectKey(f"{caller.tenant.name.key_prefix}{name}/{job_id}{language.extension}")

    def _spec(
        self,
        caller: Caller,
        command: UploadCodeCommand,
        language: Language,
        code_key: ObjectKey,
        program: SubmittedProgram,
    ) -> JobSpec:
        quota, origin = caller.tenant.quota, command.rerun_of
        priority = quota.allowed_priority(command.priority)
        options = {**command.options(), "priority": priority, "entry": program.entry}
        limits = self._limit_policy.lowered_to(quota.limits).resolve(command.limits)
        return JobSpec(
            code_key=code_key,
            language=language,
            limits=limits,
            code_bytes=len(program.code) if origin is None else origin.spec.code_bytes,
            rerun_of=None if origin is None else origin.id,
            files=program.files,
            stdin_blob=program.stdin,
            **options,
        )


def _available(name: str, languages: Sequence[LanguageSupport]) -> Language:
    """Return the language with a name.

    Raises:
        InvalidValue: There is no such language.
        Unprocessable: It is unavailable here.
    """
    return _supported(name, languages).language


def _supported(name: str, languages: Sequence[LanguageSupport]) -> LanguageSupport:
    """Return the engine's support of the language with a name.

    Raises:
        InvalidValue: There is no such language.
        Unprocessable: It is unavailable here.
    """
    language = parse_language(name)
    support = next((support for support in languages if support.language == language), None)
    if support is None:
        raise Unprocessable("language", text("problems.language_not_here", language=language))
    if support.unavailable_because is not None:
        raise Unprocessable(
            "language",
            text("problems.language_unavailable", language=language, reason=support.unavailable_because),
        )
    return support


def _check_taken(support: LanguageSupport, command: UploadCodeCommand) -> None:
    """Check that the language's engine takes all parts of a program.

    Raises:
        Unprocessable: A runner takes a single text, or no arguments and environment variables.
    """
    files = {
        "files": command.files,
        "entry": command.entry,
        "stdin_base64": command.stdin_blob,
        "stdin_file": command.stdin_file,
        "artifacts": command.artifacts,
    }
    passed_on = None if command.rerun_of is None else command.rerun_of.spec.secrets
    arguments = {"args": command.args, "env": command.env, "secret_env": command.secret_env or passed_on}
    language = support.language
    for parts, is_taken, refusal in (
        (files, support.takes_files, text("problems.runner_takes_text", language=language)),
        (
            arguments,
            support.takes_arguments,
            text("problems.runner_takes_no_arguments", language=language),
        ),
    ):
        name = next((name for name, value in parts.items() if value), None)
        if name is not None and not is_taken:
            raise Unprocessable(name, refusal)
