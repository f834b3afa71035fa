import logging
from io import StringIO

import pytest

from application.log_context import current_request_id, logging_about, request_id
from entrypoints.cli.logging_setup import Handler, Lines
from tests.support.callers import ANONYMOUS


@pytest.fixture
def lines():
    """The lines of the service's log about executions, as they are written."""
    stream = StringIO()
    handler = Handler(stream)
    handler.setFormatter(Lines())
    logger = logging.getLogger("service_server.executions")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: stream.getvalue().splitlines()
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_the_lines_of_an_execution_carry_the_ids_of_its_job_its_project_and_the_request_that_asked_for_it(
    service, lines
):
    # Given a job that one request uploaded, and another had executed
    job = service.upload()
    token = request_id.set("req-2")
    service.execute_job(ANONYMOUS, job.job_id)
    request_id.reset(token)
    # When a worker runs it
    service.run_execution()
    # Then its lines say so
    [line] = [line for line in lines() if "ended as SUCCESS" in line]
    found = service.job_reader.get(ANONYMOUS, job.job_id)
    about = f"tenant=default project_id={found.job.project_id} job_id={job.job_id}"
    assert line.endswith(f" request_id=req-2 {about} execution_id={found.job.current_execution_id}")
    assert current_request_id() is None


def test_an_upload_that_executes_is_the_request_and_it_stays_so_when_the_worker_is_lost(service, lines):
    token = request_id.set("req-1")
    job = service.start(max_attempts=2)
    request_id.reset(token)
    service.claim()
    service.pass_time(60)
    service.run_execution()

    told = [line for line in lines() if "lost its worker" in line or "ended as SUCCESS" in line]
    assert len(told) == 2
    project_id = service.job_reader.get(ANONYMOUS, job.job_id).job.project_id
    about = f" request_id=req-1 tenant=default project_id={project_id} job_id={job.job_id} execution_id="
    assert all(about in line for line in told)


def test_what_is_logged_outside_belongs_to_nothing(service, lines):
    with logging_about(service.job_reader.get(ANONYMOUS, service.upload().job_id).job):
        pass
    logging.getLogger("service_server.executions").warning("nothing in particular")

    assert lines()[-1].endswith("nothing in particular")
