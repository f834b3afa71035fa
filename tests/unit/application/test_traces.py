"""The trace of a request, on its way to the runs that it asked for."""

import logging

from application.log_context import current_trace_id, logging_about, trace_context
from application.use_cases.run_again import Changes
from domain.trace_context import TraceContext
from tests.support.callers import ANONYMOUS

TRACE = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")


def test_an_execution_has_the_trace_of_its_request_also_when_it_takes_the_place_of_a_lost_one(service):
    job = service.upload(max_attempts=2)
    token = trace_context.set(TRACE)
    service.execute_job(ANONYMOUS, job.job_id)
    trace_context.reset(token)
    service.claim()
    service.pass_time(60)
    service.run_execution()

    executions = service.job_reader.get(ANONYMOUS, job.job_id).executions
    assert [execution.number for execution in executions] == [1, 2]
    assert [execution.trace for execution in executions] == [TRACE, TRACE]


def test_the_lines_of_a_run_have_the_trace_of_the_request(service, caplog):
    token = trace_context.set(TRACE)
    service.start()
    trace_context.reset(token)
    ids = []
    logger = logging.getLogger("service_server.executions")
    logger.addFilter(lambda _record: ids.append(current_trace_id()) or True)
    with caplog.at_level(logging.INFO, "service_server.executions"):
        service.run_execution()
    logger.filters.clear()

    assert set(ids) == {TRACE.trace_id}
    assert current_trace_id() is None


def test_work_about_an_execution_without_a_trace_stays_in_the_current_one(service):
    job = service.start()
    found = service.job_reader.get(ANONYMOUS, job.job_id)
    token = trace_context.set(TRACE)
    with logging_about(found.job, found.latest):
        inside = current_trace_id()
    trace_context.reset(token)

    assert inside == TRACE.trace_id


def test_a_rerun_is_a_part_of_its_own_request(service):
    token = trace_context.set(TRACE)
    first = service.start()
    trace_context.reset(token)
    service.run_execution()

    again = service.run_again(ANONYMOUS, first.job_id, Changes())

    assert service.job_reader.get(ANONYMOUS, again.job_id).latest.trace is None
