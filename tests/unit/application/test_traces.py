"""The trace of a request, on its way to the runs that it asked for."""

import logging

from application.log_context import current_trace_id, logging_about, trace_context
from application.ports.execution_engine import EngineReport
from application.ports.tracing import NO_SPAN, NO_TRACING, SpanKind
from application.use_cases.run_again import Changes
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from domain.trace_context import TraceContext
from tests.support.callers import ANONYMOUS

TRACE = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
OTHER = TraceContext("00-" + "a" * 32 + "-00f067aa0ba902b7-01")


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


def test_a_run_is_one_trace_from_the_wake_up_to_the_end(service):
    token = trace_context.set(TRACE)
    job = service.start()
    trace_context.reset(token)
    service.relay_outbox(service.relay.offered)
    service.run_execution()

    spans, run = service.tracing.spans, service.tracing.named("run execution")
    assert {span.place.trace_id for span in spans} == {TRACE.trace_id}
    assert service.tracing.named("wake workers").parent == run.parent == TRACE
    within = {span.name: span.parent for span in spans}
    assert within["claim"] == within["engine"] == within["complete execution"] == run.place
    assert within["run program"] == service.tracing.named("engine").place
    assert run.attributes["service_server.job_id"] == str(job.job_id)
    assert run.attributes["service_server.status"] == "SUCCESS"


def test_a_build_is_a_span_beside_the_run(service):
    def program(_request, observer):
        observer.building()
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service.engine.program = program
    token = trace_context.set(TRACE)
    service.start(language="c")
    trace_context.reset(token)
    service.run_execution()

    assert [name for name in service.tracing.names if "program" in name] == ["build program", "run program"]


def test_no_span_has_a_program_or_its_input_or_its_output(service):
    result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("hush-3"))
    service.engine.program = lambda _request, observer: observer.started() or EngineReport(result)
    token = trace_context.set(TRACE)
    service.start(code="hush-1", stdin="hush-2", env={"A": "hush-4"}, args=("hush-5",))
    trace_context.reset(token)
    service.run_execution()

    assert len(service.tracing.spans) >= 4
    assert "hush" not in str(service.tracing.spans)


def test_a_rerun_refers_to_the_trace_of_the_old_run(service):
    token = trace_context.set(TRACE)
    first = service.start()
    service.run_execution()
    trace_context.set(OTHER)
    with service.tracing.span("POST /api/jobs/{jobId}/rerun"):
        service.run_again(ANONYMOUS, first.job_id, Changes())
    trace_context.reset(token)

    assert service.tracing.named("POST /api/jobs/{jobId}/rerun").links == [TRACE]


def test_without_tracing_a_span_is_nothing():
    assert NO_TRACING.span("a", {"b": 1}, kind=SpanKind.SERVER) is NO_SPAN
