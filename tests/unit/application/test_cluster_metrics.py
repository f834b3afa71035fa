from datetime import timedelta

import pytest

from application.errors import DependencyUnavailable, NotFound
from domain.errors import InvalidValue


@pytest.fixture
def reader(service):
    service.metrics.record("demo", service.clock.now() - timedelta(minutes=1), 12.5, None)
    return service.cluster_reader


@pytest.mark.parametrize("period_s", [10, 30, 60, 300, 3_600])
def test_the_periods_of_cloudwatch_are_taken(reader, period_s):
    (point,) = reader.utilization("demo", 10, period_s)

    assert (point.cpu_utilization, point.memory_utilization) == (12.5, None)


@pytest.mark.parametrize(
    ("minutes", "period_s"), [(0, 60), (61, 60), (10, 0), (10, -60), (10, 20), (10, 90), (10, 3_660)]
)
def test_what_is_out_of_range_is_refused(reader, minutes, period_s):
    with pytest.raises(InvalidValue):
        reader.utilization("demo", minutes, period_s)


def test_a_cluster_without_points_is_not_found(reader):
    with pytest.raises(NotFound):
        reader.utilization("elsewhere", 10, 60)
    with pytest.raises(NotFound):
        reader.metric_names("elsewhere")


def test_metric_names_are_listed(reader):
    assert reader.metric_names("demo") == ["CPUUtilization"]


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
def test_what_cannot_name_a_cluster_is_refused(reader, name):
    with pytest.raises(InvalidValue):
        reader.metric_names(name)


def test_the_sentence_about_metrics_that_are_unavailable_is_grammatical():
    error = DependencyUnavailable("metrics", "CloudWatch cannot be reached")

    assert str(error) == "the metrics service is unavailable: CloudWatch cannot be reached"
    assert error.dependency == "metrics"
