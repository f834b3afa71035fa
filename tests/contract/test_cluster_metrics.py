"""The contract of all sources of cluster metrics: in memory, this machine, and moto's CloudWatch."""

import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.cloudwatch.cluster_metrics import CloudWatchClusterMetrics, build_client
from adapters.host_metrics.cluster_metrics import HostClusterMetrics, Sample
from adapters.system.clock import SystemClock
from application.ports.cluster_metrics import MetricPoint
from tests.support.memory.clock import MemoryClock
from tests.support.memory.cluster_metrics import MemoryClusterMetrics

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(seconds=50)
CLUSTER = "main-cluster"


class MemorySource:
    """Figures recorded in memory."""

    def __init__(self):
        self.metrics = MemoryClusterMetrics(MemoryClock(NOW))

    def record(self, timestamp, cpu, memory):
        self.metrics.record(CLUSTER, timestamp, cpu, memory)


class HostSource:
    """Figures as the sampling thread would have taken them."""

    def __init__(self):
        self.metrics = HostClusterMetrics(MemoryClock(NOW), CLUSTER)

    def record(self, timestamp, cpu, memory):
        self.metrics.samples.add(Sample(timestamp, cpu, memory))


class CloudWatchSource:
    """Figures as ECS reports them."""

    def __init__(self, client):
        self._client = client
        self.metrics = CloudWatchClusterMetrics(client, MemoryClock(NOW))

    def record(self, timestamp, cpu, memory):
        for name, value in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            if value is not None:
                datum = {"MetricName": name, "Timestamp": timestamp, "Value": value, "Unit": "Percent"}
                dimensions = [{"Name": "ClusterName", "Value": CLUSTER}]
                self._client.put_metric_data(
                    Namespace="AWS/ECS", MetricData=[{**datum, "Dimensions": dimensions}]
                )


@pytest.fixture(params=["memory", "host", "cloudwatch"])
def source(request):
    if request.param == "memory":
        return MemorySource()
    if request.param == "host":
        return HostSource()
    address = request.getfixturevalue("moto_address")
    client = build_client("us-east-1", endpoint_url=address, access_key_id="test", secret_access_key="test")
    httpx.post(f"{address}/moto-api/reset").raise_for_status()
    return CloudWatchSource(client)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def test_cpu_and_memory_of_a_period_are_one_point(source):
    source.record(at(0), 20.0, 60.0)
    assert source.metrics.utilization(CLUSTER, 10, 60) == [MetricPoint(NOON, 20.0, 60.0)]


def test_what_was_measured_in_a_period_is_averaged_at_its_beginning(source):
    source.record(at(5), 10.0, 50.0)
    source.record(at(45), 30.0, 70.0)
    assert source.metrics.utilization(CLUSTER, 10, 60) == [MetricPoint(NOON, 20.0, 60.0)]


def test_points_ascend_however_they_were_recorded(source):
    for seconds in (-120, 0, -60):
        source.record(at(seconds), 100.0 + seconds / 10, 50.0)
    points = source.metrics.utilization(CLUSTER, 10, 60)
    assert [(point.timestamp, point.cpu_utilization) for point in points] == [
        (at(-120), 88.0),
        (at(-60), 94.0),
        (at(0), 100.0),
    ]


@pytest.mark.parametrize(("cpu", "memory"), [(12.5, None), (None, 12.5)])
def test_what_was_not_measured_is_none(source, cpu, memory):
    source.record(at(0), cpu, memory)
    assert source.metrics.utilization(CLUSTER, 10, 60) == [MetricPoint(NOON, cpu, memory)]


def test_an_idle_cluster_is_at_zero_and_not_unknown(source):
    source.record(at(0), 0.0, 0.0)
    assert source.metrics.utilization(CLUSTER, 10, 60) == [MetricPoint(NOON, 0.0, 0.0)]


def test_every_period_that_the_last_minutes_touch_is_given_whole(source):
    # Given figures on both sides of 11:58:00, the beginning of the period that 11:58:50 is in
    source.record(at(-121), 1.0, 1.0)
    source.record(at(-120), 2.0, 2.0)
    source.record(at(-30), 3.0, 3.0)
    # When the two minutes before 12:00:50 are asked for
    points = source.metrics.utilization(CLUSTER, 2, 60)
    # Then that period is the first
    assert [point.timestamp for point in points] == [at(-120), at(-60)]


@pytest.mark.parametrize(
    ("period_s", "begins"),
    [(10, [-70, 0, 40]), (30, [-90, 0, 30]), (60, [-120, 0]), (300, [-300, 0]), (3_600, [-3_600, 0])],
)
def test_periods_begin_at_multiples_of_their_length(source, period_s, begins):
    for seconds in (-65, 5, 45):
        source.record(at(seconds), 50.0, 50.0)
    points = source.metrics.utilization(CLUSTER, 60, period_s)
    assert [point.timestamp for point in points] == [at(begin) for begin in begins]


def test_an_hour_of_minutes_is_given(source):
    for minute in range(60):
        source.record(at(-60 * minute), float(minute), 50.0)
    points = source.metrics.utilization(CLUSTER, 60, 60)
    assert [point.cpu_utilization for point in points] == [float(minute) for minute in reversed(range(60))]


def test_a_cluster_that_is_not_known_has_no_points_and_no_names(source):
    source.record(at(0), 20.0, 60.0)
    assert list(source.metrics.utilization("another", 10, 60)) == []
    assert list(source.metrics.metric_names("another")) == []


def test_names_are_sorted_and_given_once(source):
    for seconds in (0, 10, 20):
        source.record(at(seconds), 20.0, 60.0)
    assert list(source.metrics.metric_names(CLUSTER)) == ["CPUUtilization", "MemoryUtilization"]


def test_this_machine_has_a_point_as_soon_as_sampling_has_started():
    # Given sampling that has just started, under no name of its own
    with HostClusterMetrics(SystemClock(), interval_s=0.05) as metrics:
        # When any cluster is asked for, then memory is known at once, and CPU soon
        assert metrics.utilization("any-name", 1, 60)[-1].memory_utilization > 0
        deadline = time.monotonic() + 90
        while metrics.utilization("any-name", 1, 60)[-1].cpu_utilization is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    # And once stopped, what was sampled can still be read, and nothing samples any more
    assert metrics.utilization("any-name", 1, 60)
    assert "service_server.host_metrics" not in {thread.name for thread in threading.enumerate()}


def test_sampling_can_be_stopped_at_any_time_and_started_again():
    metrics = HostClusterMetrics(SystemClock(), interval_s=3_600)
    metrics.stop()
    for _ in range(2):
        metrics.start()
        metrics.start()
        metrics.stop()
    assert metrics.utilization("any-name", 1, 60)


def test_this_machine_keeps_an_hour_of_samples_and_no_more():
    source = HostSource()
    for number in range(2_000):
        source.record(at(-5 * number), 50.0, 50.0)
    assert len(source.metrics.samples.averages(at(-10_000), NOW, 5)) == 721
