"""Metrics in the formats of Prometheus."""

import re
from uuid import uuid4

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from adapters.prometheus.measurements import PrometheusMeasurements
from application import metrics
from application.errors import DependencyUnavailable
from application.log_context import trace_context
from application.ports.measurements import Sample
from domain.trace_context import TraceContext


@pytest.fixture
def measurements() -> PrometheusMeasurements:
    return PrometheusMeasurements("1.2.3")


def samples(measurements: PrometheusMeasurements, *, as_openmetrics: bool = False) -> dict[tuple, float]:
    """Parse all metrics with the library's own parser of the format."""
    exposition = measurements.expose(as_openmetrics=as_openmetrics)
    parse = parse_openmetrics if as_openmetrics else parse_text
    return {
        (sample.name.removeprefix("service_server_"), *sorted(sample.labels.items())): sample.value
        for family in parse(exposition.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("as_openmetrics", [False, True])
def test_counters_gauges_and_histograms_are_written(measurements, as_openmetrics):
    measurements.count(metrics.JOBS_SUBMITTED, "python")
    measurements.count(metrics.JOBS_SUBMITTED, "python", by=2)
    measurements.observe(metrics.RUN_TIME, 0.3, "node")
    measurements.watch(
        lambda: [Sample(metrics.WORKER_SLOTS, 8), Sample(metrics.WARM_STARTS, 5, ("Python", "hit"))]
    )

    found = samples(measurements, as_openmetrics=as_openmetrics)

    assert found["jobs_submitted_total", ("language", "python")] == 3
    assert found["run_seconds_bucket", ("language", "node"), ("le", "0.25")] == 0
    assert found["run_seconds_bucket", ("language", "node"), ("le", "0.5")] == 1
    assert found["run_seconds_sum", ("language", "node")] == 0.3
    assert found["worker_slots",] == 8
    assert found["warm_starts_total", ("kind", "Python"), ("result", "hit")] == 5
    assert found["build_info", ("version", "1.2.3")] == 1
    assert found["process_open_fds",] > 0


def test_the_media_type_is_that_of_the_format(measurements):
    assert measurements.expose().media_type.startswith("text/plain; version=0.0.4")
    assert measurements.expose(as_openmetrics=True).media_type.startswith("application/openmetrics-text")


def test_a_value_has_the_id_of_its_trace_as_its_exemplar(measurements):
    trace = uuid4().hex
    token = trace_context.set(TraceContext(f"00-{trace}-{'1' * 16}-01"))
    measurements.observe(metrics.CLAIM_WAIT, 0.3)
    trace_context.reset(token)
    measurements.observe(metrics.CLAIM_WAIT, 100.0)

    text = measurements.expose(as_openmetrics=True).content.decode()

    assert re.findall(r"claim_wait_seconds_bucket\S+ \S+ # (\S+) 0.3 ", text) == [f'{{trace_id="{trace}"}}']
    assert "trace_id" not in measurements.expose().content.decode()


def test_a_counter_of_few_series_begins_at_zero(measurements):
    found = samples(measurements)

    assert found["orphans_recovered_total", ("outcome", "run_again")] == 0
    assert found["leases_expired_total",] == 0


@pytest.mark.parametrize("reason", sorted(metrics.FAULTS))
def test_the_first_job_that_ends_for_a_fault_adds_to_a_counter_that_was_there(measurements, reason):
    series = ("jobs_ended_total", ("language", "python"), ("reason", reason), ("status", "FAILED"))
    assert samples(measurements)[series] == 0

    measurements.count(metrics.JOBS_ENDED, "FAILED", reason, "python")

    assert samples(measurements)[series] == 1


def test_a_thousand_tenants_add_no_series(measurements):
    for number in range(1_000):
        measurements.count(metrics.HTTP_REQUESTS, f"GET /of/{number}", "2xx")
        measurements.observe(metrics.HTTP_REQUEST_DURATION, 0.1, f"GET /of/{number}")
        measurements.count(metrics.JOBS_ENDED, "SUCCESS", f"reason-{number}", f"language-{number}")
        measurements.count(metrics.QUOTA_REFUSALS, f"quota-{number}")

    found = samples(measurements)

    requests = [key for key in found if key[0] == "http_requests_total"]
    assert len(requests) == metrics.MAX_ROUTES + 1
    assert (
        found["http_requests_total", ("route", "other"), ("status_class", "2xx")]
        == 1_000 - metrics.MAX_ROUTES
    )
    assert (
        found["jobs_ended_total", ("language", "other"), ("reason", "other"), ("status", "SUCCESS")] == 1_000
    )
    assert len(found) < 5_000


def test_series_that_would_be_there_twice_are_added_up(measurements):
    unknown = [Sample(metrics.CIRCUITS_OPEN, 1, (name,)) for name in ("a new part", "another one")]
    measurements.watch(lambda: unknown)

    lines = [line for line in measurements.expose().content.splitlines() if b"circuits_open{" in line]

    assert lines == [b'service_server_circuits_open{dependency="other"} 2.0']


def test_figures_that_are_out_of_reach_are_left_out_and_counted(measurements):
    def read():
        raise DependencyUnavailable("database", "it is away")

    def fail():
        raise ZeroDivisionError

    measurements.watch(read)
    measurements.watch(fail)
    measurements.watch(lambda: [Sample(metrics.WORKER_SLOTS, 3)])

    found = samples(measurements)

    assert found["worker_slots",] == 3
    assert found["metric_read_errors_total", ("dependency", "database")] == 1
    assert found["metric_read_errors_total", ("dependency", "other")] == 1
    assert not [key for key in found if key[0] == "outbox_messages"]


def test_a_metric_is_not_counted_without_its_labels(measurements):
    with pytest.raises(ValueError, match="shorter"):
        measurements.count(metrics.HTTP_REQUESTS, "GET /")
