"""Command: run a job's program again, as a new job."""

from dataclasses import asdict, replace

from application.commands import UploadCodeCommand
from application.queries.job_reader import JobReader
from application.use_cases.read_code import ReadCode
from application.use_cases.upload_code import UploadCode
from application.views import JobDetails, JobView
from domain.caller import Caller
from domain.values import JobId


class RunAgain:
    """Run a job's program once more: as a new job, with all that the old one was given.

    * Secret variables are passed on without being opened.
    """

    def __init__(self, job_reader: JobReader, read_code: ReadCode, upload_code: UploadCode) -> None:
        self._job_reader = job_reader
        self._read_code = read_code
        self._upload_code = upload_code

    def __call__(self, caller: Caller, job_id: JobId) -> JobView:
        """Return the new job.

        Raises:
            NotFound: There is no such job, or its code is gone.
            InvalidValue: The limits in force today refuse those of the old job.
            SecretsUnavailable: The key that its secret variables are sealed with is not there any more.
            ProjectTransitionRefused: Its project takes no new work.
        """
        details = self._job_reader.get(caller, job_id)
        command = given(details, self._read_code(details.job))
        return self._upload_code(caller, replace(command, secrets_of=details.job))


def given(details: JobDetails, code: str) -> UploadCodeCommand:
    """Return the command to execute the same again, without its secrets.

    The input is that of the job's latest execution.
    """
    spec = details.job.spec
    stdin = next((e.stdin for e in reversed(details.executions) if e.stdin is not None), spec.stdin)
    return UploadCodeCommand(
        project=str(details.job.project_id),
        code=code,
        language=spec.language.name,
        limits=asdict(spec.limits),
        cases_of=spec.cases,
        execute=True,
        **{**spec.options(), "stdin": stdin},
    )
