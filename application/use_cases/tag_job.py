"""Command: change the tags of a job."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.views import JobView
from domain.audit import Act
from domain.caller import Caller
from domain.submission import TagChange
from domain.submission_limits import SubmissionLimits
from domain.values import JobId


class TagJob:
    """Sets and removes tags of a job, in any status.

    * The maximum number of tags is the same as for an upload.
    * Jobs of an archived project can be tagged too; a suspended tenant cannot tag.
    """

    def __init__(
        self, unit_of_work: CallerUnitOfWork, clock: Clock, submission_limits: SubmissionLimits
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._submission_limits = submission_limits

    def __call__(self, caller: Caller, job_id: JobId, change: TagChange) -> JobView:
        """Return the job with its new tags.

        Raises:
            NotFound: There is no such job.
            InvalidValue: The job would have too many tags, or a tag is too long.
            TenantTransitionRefused: The tenant is suspended.
        """
        self._submission_limits.check_tags(change.set)  # checked first: a request may contain many
        now = self._clock.now()

        def work(transaction: Transaction) -> JobView:
            caller.tenant.ensure_active()
            before, project = transaction.jobs.get_with_project_or_raise(caller, job_id)
            after = before.tag(change, now)
            if after is not before:
                self._submission_limits.check_tags(after.spec.tags)
                transaction.jobs.replace_tags(before, after)
            return JobView.of(after, project.name)

        return self._unit_of_work.run(
            caller,
            Act.JOB_TAG,
            work,
            subject=lambda view: str(view.job_id),
            project=lambda view: view.project_id,
            asked_for=str(job_id),
        )
