from datetime import timedelta

import pytest

from application.errors import NotFound
from application.use_cases.list_metric_names import ListMetricNames
from application.use_cases.read_cluster_metrics import ReadClusterMetrics
from domain.errors import InvalidValue
from tests.support.memory.cluster_metrics import MemoryClusterMetrics


@pytest.fixture
def metrics(world):
    metrics = MemoryClusterMetrics(world.clock)
    metrics.record("demo", world.clock.now() - timedelta(minutes=1), 12.5, None)
    return metrics


@pytest.mark.parametrize("period_s", [10, 30, 60, 300, 3_600])
def test_the_periods_of_cloudwatch_are_taken(metrics, period_s):
    (point,) = ReadClusterMetrics(metrics)("demo", 10, period_s)

    assert (point.cpu_utilization, point.memory_utilization) == (12.5, None)


@pytest.mark.parametrize(
    ("minutes", "period_s"), [(0, 60), (61, 60), (10, 0), (10, -60), (10, 20), (10, 90), (10, 3_660)]
)
def test_what_is_out_of_range_is_refused(metrics, minutes, period_s):
    with pytest.raises(InvalidValue):
        ReadClusterMetrics(metrics)("demo", minutes, period_s)


def test_a_cluster_without_points_is_not_found(metrics):
    with pytest.raises(NotFound):
        ReadClusterMetrics(metrics)("elsewhere", 10, 60)
    with pytest.raises(NotFound):
        ListMetricNames(metrics)("elsewhere")


def test_metric_names_are_listed(metrics):
    assert ListMetricNames(metrics)("demo") == ["CPUUtilization"]


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
def test_what_cannot_name_a_cluster_is_refused(metrics, name):
    with pytest.raises(InvalidValue):
        ListMetricNames(metrics)(name)
