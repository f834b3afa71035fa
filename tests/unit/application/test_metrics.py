"""The table of metrics keeps the number of series small, and its names in order."""

import re

import pytest

from application.metrics import METRICS, Counter, Gauge, Histogram, Metric, series_of
from domain.job_lifecycle import Reason
from domain.language import LANGUAGES

MAX_SERIES = 5_000
# Of the process itself, and of a service's version.
_OTHER_SERIES = 10


def test_a_process_has_no_more_series_than_it_may_whatever_its_callers_do():
    # The bound of each label is enforced by the adapter: see tests/integration/prometheus.
    assert sum(map(series_of, METRICS)) + _OTHER_SERIES <= MAX_SERIES


def test_each_metric_has_a_name_of_its_own():
    assert len({metric.name for metric in METRICS}) == len(METRICS) > 30


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_of_prometheus(metric: Metric):
    assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name)
    # Prometheus adds it to counters.
    assert not metric.name.endswith("_total")
    assert metric.help.endswith(".")
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", label.name)
        assert (label.values is None) == (label.at_most > 0)


@pytest.mark.parametrize(
    "metric", [m for m in METRICS if isinstance(m, Histogram)], ids=lambda metric: metric.name
)
def test_buckets_ascend_and_the_unit_is_in_the_name(metric: Histogram):
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.name.endswith(("_seconds", "_bytes"))


def test_labels_have_all_that_the_domain_has():
    by_name = {metric.name: metric for metric in METRICS}
    status, reason, language = by_name["jobs_ended"].labels
    assert status.values == {"SUCCESS", "FAILED", "TIMEOUT", "CANCELLED"}
    assert reason.values == {"none", *Reason}
    assert language.values == LANGUAGES.keys()
    assert {type(metric) for metric in METRICS} == {Counter, Gauge, Histogram}
