"""Spans of OpenTelemetry's SDK, as a receiver gets them."""

import logging
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import redis
import sqlalchemy as sa

from adapters.opentelemetry.tracing import FLUSH_S, OpenTelemetryTracing
from application.log_context import current_trace_id, trace_context, working_in
from application.ports.tracing import SpanKind
from domain.trace_context import TraceContext
from tests.support.otlp_receiver import otlp_receiver
from tests.support.redis_server import redis_server

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = TraceContext(f"00-{TRACE}-{SPAN}-01", "vendor=1")
SERVER, CLIENT = SpanKind.SERVER, SpanKind.CLIENT


@pytest.fixture
def receiver(monkeypatch):
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


@pytest.fixture
def exported(receiver):
    """Runs a function with tracing, and returns the spans by their names."""

    def run(work, detailed=1.0):
        tracing = OpenTelemetryTracing("1.2.3", "worker-1", detailed)
        work(tracing)
        tracing.close()
        return {span.name: span for span in receiver.spans}

    return run


def test_spans_are_below_the_callers_and_below_each_other(exported):
    places = []

    def work(tracing):
        with working_in(CALLER), tracing.span("GET", {"a": 1}, kind=SERVER) as span:
            places.append(trace_context.get())
            with tracing.span("inside"):
                places.append(trace_context.get())
            span.rename("GET /api/jobs")
            span.set({"http.response.status_code": 200})
        assert trace_context.get() is None

    found = exported(work)

    outer, inner = found["GET /api/jobs"], found["inside"]
    assert (outer.trace_id, outer.parent, outer.kind) == (TRACE, SPAN, "SERVER")
    assert (inner.trace_id, inner.parent, inner.kind) == (TRACE, outer.id, "INTERNAL")
    assert outer.attributes == {"a": 1, "http.response.status_code": 200}
    assert [place.traceparent for place in places] == [f"00-{TRACE}-{span.id}-01" for span in (outer, inner)]
    assert {place.tracestate for place in places} == {"vendor=1"}
    assert outer.resource["service.name"] == "service-server"
    assert (outer.resource["service.version"], outer.resource["service.instance.id"]) == ("1.2.3", "worker-1")


def test_only_a_request_or_a_run_begins_a_trace(exported):
    def work(tracing):
        with tracing.span("client", kind=CLIENT):
            assert trace_context.get() is None
        tracing.record("record", datetime.now(UTC), datetime.now(UTC))
        with tracing.span("request", kind=SERVER):
            begun.append(current_trace_id())

    begun: list[str] = []
    found = exported(work)

    assert found.keys() == {"request"}
    assert (found["request"].trace_id, found["request"].parent) == (begun[0], "")


def test_a_trace_goes_on_in_another_thread_and_process_and_refers_to_the_one_it_is_taken_in(exported):
    def work(tracing):
        with tracing.span("request", kind=SERVER):
            handed_over = trace_context.get()

        def run():
            with (
                working_in(TraceContext.of_text(str(handed_over))),
                tracing.span("run", kind=SpanKind.CONSUMER),
            ):
                tracing.link(CALLER)

        thread = Thread(target=run)
        thread.start()
        thread.join()
        with (
            working_in(CALLER),
            tracing.span("callback", kind=SERVER),
            working_in(handed_over),
            tracing.span("report", kind=SpanKind.CONSUMER),
        ):
            pass

    found = exported(work)

    assert found["run"].parent == found["report"].parent == found["request"].id
    assert [link.span_id.hex() for link in found["run"].span.links] == [SPAN]
    assert [link.span_id.hex() for link in found["report"].span.links] == [found["callback"].id]


def test_work_that_began_or_ended_earlier_has_its_times(exported):
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def work(tracing):
        with tracing.span("run", kind=SERVER, begin=begin):
            tracing.record("claim", begin, begin + timedelta(seconds=2))

    found = exported(work)

    ns = int(begin.timestamp()) * 10**9
    assert found["run"].span.start_time_unix_nano == ns
    assert found["claim"].parent == found["run"].id
    assert (found["claim"].span.start_time_unix_nano, found["claim"].span.end_time_unix_nano) == (
        ns,
        ns + 2 * 10**9,
    )


def test_an_error_marks_its_span_and_its_text_is_left_out(exported):
    def work(tracing):
        with pytest.raises(ValueError, match="hush"), tracing.span("broken", kind=SERVER):
            raise ValueError("hush")

    broken = exported(work)["broken"]

    assert broken.span.status.code == 2
    assert broken.attributes == {"error.type": "ValueError"}
    assert b"hush" not in broken.span.SerializeToString()


def test_statements_are_spans_without_their_values_in_detailed_traces(exported):
    def work(tracing):
        engine = sa.create_engine("sqlite://")
        tracing.instrument(engine)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 'outside'"))
        with tracing.span("request", kind=SERVER), engine.begin() as connection:
            connection.execute(sa.text("SELECT :value"), {"value": "a-secret"})

    found = exported(work)
    [statement] = [span for name, span in found.items() if name.startswith("SELECT")]
    assert statement.parent == found["request"].id
    assert statement.attributes["db.query.text"] == "SELECT ?"
    assert statement.attributes["db.system.name"] == "sqlite"
    assert not any(b"a-secret" in span.span.SerializeToString() for span in found.values())


def test_a_statement_that_fails_marks_its_span_and_the_text_of_its_error_is_left_out(exported):
    def work(tracing):
        engine = sa.create_engine("sqlite://")
        tracing.instrument(engine)
        with (
            tracing.span("request", kind=SERVER),
            engine.connect() as connection,
            pytest.raises(sa.exc.OperationalError),
        ):
            connection.execute(sa.text("SELECT secret FROM nowhere"))

    (failed,) = [span for name, span in exported(work).items() if name != "request"]
    assert (failed.span.status.code, failed.span.status.message) == (2, "")
    assert failed.attributes["error.type"] == "OperationalError"


def test_traces_that_begin_here_are_detailed_in_a_share_and_those_of_callers_and_runs_all(exported):
    def work(tracing):
        engine = sa.create_engine("sqlite://")
        tracing.instrument(engine)
        with tracing.span("own", kind=SERVER), engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            own = trace_context.get()
            with tracing.span("put undetailed", kind=CLIENT), tracing.span("inside"):
                assert trace_context.get().trace_id == own.trace_id
        with working_in(CALLER), tracing.span("caller's", kind=SERVER), engine.connect() as connection:
            connection.execute(sa.text("WITH a AS (SELECT 1) SELECT 2 FROM a"))
        with (
            working_in(own),
            tracing.span("run", kind=SpanKind.CONSUMER),
            engine.connect() as connection,
        ):
            connection.execute(sa.text("VALUES (1)"))
            with tracing.span("put", kind=CLIENT):
                pass

    found = exported(work, detailed=0.0)

    assert "put undetailed" not in found
    begun = {name.split()[0] for name in found}
    assert begun == {"own", "inside", "caller's", "WITH", "run", "VALUES", "put"}
    # The span below one that is left out is the child of the request's.
    assert found["inside"].parent == found["own"].id


def test_commands_of_redis_are_spans_without_their_arguments(exported):
    with redis_server() as server:

        def work(tracing):
            tracing.instrument_redis()
            client = redis.Redis.from_url(server.url)
            client.set("outside", "1")
            with tracing.span("request", kind=SERVER):
                client.set("key", "a-secret")
            client.close()

        found = exported(work)

    assert found["SET"].parent == found["request"].id
    assert found["SET"].kind == "CLIENT"
    assert len(found) == 2
    assert b"a-secret" not in found["SET"].span.SerializeToString()


def test_standard_variables_name_the_service_and_choose_the_sampler(exported, monkeypatch, receiver):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "judge")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=mine,x=y")

    def work(tracing):
        with tracing.span("request", kind=SERVER):
            pass

    resource = exported(work)["request"].resource
    assert (resource["service.name"], resource["service.instance.id"]) == ("judge", "mine")
    assert resource["x"] == "y"

    before = len(receiver.spans)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    exported(work)
    assert len(receiver.spans) == before


def test_a_trace_that_its_caller_does_not_sample_is_passed_on_and_not_exported(exported):
    def work(tracing):
        with working_in(TraceContext(f"00-{TRACE}-{SPAN}-00")), tracing.span("request", kind=SERVER):
            places.append(trace_context.get())

    places: list[TraceContext] = []
    assert exported(work) == {}
    assert places[0].trace_id == TRACE
    assert places[0].traceparent.endswith("-00")


def test_a_collector_that_does_not_answer_holds_up_neither_spans_nor_the_end(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    receiver.answers.clear()
    tracing = OpenTelemetryTracing("1", "w", 1.0)
    for _ in range(1_000):
        with tracing.span("request", kind=SERVER):
            pass
    begin = time.monotonic()
    tracing.close()
    assert time.monotonic() - begin < FLUSH_S + 8  # of the exporter's ten seconds, on a busy machine


def test_lines_about_a_collector_that_is_away_are_counted_as_one_outage(receiver, caplog):
    receiver.status = 400
    tracing = OpenTelemetryTracing("1", "w", 1.0)
    with caplog.at_level(logging.WARNING), tracing.span("request", kind=SERVER):
        pass
    tracing.close()

    lines = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert lines
    assert {record.outage for record in lines} == {("traces", "spans are lost")}
