"""Reads that several use cases begin with."""

from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from domain.job import Job
from domain.project import Project
from domain.values import JobId


def job_with_project(transaction: Transaction, job_id: JobId) -> tuple[Job, Project]:
    """Return a job and its project, whatever the project's status.

    Raises:
        NotFound: There is no such job.
    """
    job = transaction.jobs.get(job_id)
    project = None if job is None else transaction.projects.get(job.project_id)
    if job is None or project is None:
        raise NotFound("job", job_id)
    return job, project
