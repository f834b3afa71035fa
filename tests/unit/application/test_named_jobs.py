"""A job is named by its id or by the beginning of it."""

from dataclasses import replace
from uuid import uuid4

import pytest

from application.commands import UploadCodeCommand
from application.errors import AmbiguousJobId, NotFound
from application.lists import Cursor, FoundJobs
from application.ports.job_queries import JobQueries
from application.queries.job_reader import JobReader
from domain.caller import Scope
from domain.errors import ScopeMissing
from domain.values import JobId
from tests.support.callers import ANONYMOUS, a_caller


def test_only_jobs_that_the_caller_reaches_count(service):
    stranger = a_caller("acme")
    own = service.upload()
    others = service.upload_code(stranger, UploadCodeCommand(project="demo", code="", language="python"))

    assert service.job_reader.named(ANONYMOUS, str(own.job_id)[:8]) == own.job_id
    assert service.job_reader.named(stranger, str(others.job_id)[:8]) == others.job_id
    with pytest.raises(NotFound):
        service.job_reader.named(ANONYMOUS, others.job_id.hex)


def test_a_beginning_takes_the_scope_to_read_and_a_whole_id_does_not(service):
    job = service.upload()
    writer = replace(ANONYMOUS, scopes=frozenset({Scope.JOBS_WRITE}))

    assert service.job_reader.named(writer, str(job.job_id)) == job.job_id
    with pytest.raises(ScopeMissing, match=Scope.JOBS_READ):
        service.job_reader.named(writer, str(job.job_id)[:8])


class Unfinished(JobQueries):
    """A database in which so many jobs' ids begin alike that a search ends before it has found all."""

    def __init__(self, job):
        self._job = job

    def page(self, _caller, _wanted):
        return FoundJobs([self._job], Cursor(self._job.created_at, self._job.job_id))

    def status(self, _caller, _job_id):
        raise NotImplementedError

    count = details = versions = owners_of_log = tag_names = tag_values = status


def test_a_search_that_ended_early_names_no_job(service):
    job = service.upload()
    reader = JobReader(Unfinished(job), None, None, None, None, None)

    with pytest.raises(AmbiguousJobId, match="too many jobs") as refused:
        reader.named(ANONYMOUS, str(job.job_id)[:8])
    assert refused.value.candidates == [str(job.job_id)]


def test_a_whole_id_is_not_looked_up():
    reader = JobReader(None, None, None, None, None, None)
    job_id = JobId(uuid4())

    assert reader.named(ANONYMOUS, job_id) == job_id
    assert reader.named(ANONYMOUS, str(job_id)) == job_id
