"""Command: run a job's program again, as a new job."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from application.commands import UploadCodeCommand
from application.new_files import NewBlob, NewFile
from application.ports.tracing import Tracing
from application.queries.job_reader import JobReader
from application.submitted_cases import NewCase
from application.use_cases.upload_code import UploadCode
from application.views import JobDetails, JobView
from domain.caller import Caller
from domain.values import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The parts of a job that change in a rerun; None keeps a part.

    Attributes:
        limits: Changed limits, by their names in `Limits`.
        cases: The new cases. If `stdin` is given instead, the new job has no cases.
    """

    stdin: str | None = None
    args: tuple[str, ...] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    cases: tuple[NewCase, ...] | None = None


UNCHANGED = Changes()


class RunAgain:
    """Runs a job's program again as a new job, with the same input and limits except for the given changes.

    * Its code is copied within the store, so the old job may be deleted afterwards.
    * Secret variables are passed on without being opened.
    * The trace of the request is linked to that of the old execution.
    """

    def __init__(self, job_reader: JobReader, upload_code: UploadCode, tracing: Tracing) -> None:
        self._job_reader = job_reader
        self._upload_code = upload_code
        self._tracing = tracing

    def __call__(self, caller: Caller, job_id: JobId, changes: Changes = UNCHANGED) -> JobView:
        """Return the new job.

        Raises:
            NotFound: There is no such job, or its code is gone.
            InvalidValue: The current limits do not allow those of the old job, or a change breaks a rule.
            SecretsUnavailable: The key that sealed its secret variables no longer exists.
            ProjectTransitionRefused: Its project takes no new work.
        """
        details = self._job_reader.get(caller, job_id)
        if details.latest is not None and details.latest.trace is not None:
            self._tracing.link(details.latest.trace)
        same = given(details, "")
        command = replace(same, rerun_of=details.job, limits={**same.limits, **changes.limits})
        if changes.args is not None:
            command = replace(command, args=changes.args)
        if changes.cases is not None:
            command = replace(
                command, stdin=changes.stdin or "", stdin_file=None, stdin_blob=None, cases=changes.cases
            )
        elif changes.stdin is not None:
            command = replace(command, cases_of=None, stdin=changes.stdin, stdin_file=None, stdin_blob=None)
        return self._upload_code(caller, command)


def given(details: JobDetails, code: str) -> UploadCodeCommand:
    """Return the command that uploads and executes the same program again, without its secrets.

    The input is that of the job's latest execution.
    """
    spec = details.job.spec
    files = tuple(NewFile(file.path, NewBlob(file.blob, None)) for file in spec.files)
    stdin = next((e.stdin for e in reversed(details.executions) if e.stdin is not None), None)
    if stdin is not None:
        spec = replace(spec, stdin=stdin, stdin_file=None, stdin_blob=None)
    return UploadCodeCommand(
        project=str(details.job.project_id),
        code=code,
        language=spec.language.name,
        limits=asdict(spec.limits),
        cases_of=spec.cases,
        execute=True,
        files=files,
        stdin_blob=None if spec.stdin_blob is None else NewBlob(spec.stdin_blob, None),
        **spec.options(),
    )
