"""The page about metrics has all of them, and all alerts."""

import re

from application.metrics import METRICS, Counter, Gauge, Histogram, Label, Metric
from tests.integration.prometheus.test_rules import alerts
from tests.support.service import ROOT

PAGE = ROOT / "docs" / "metrics.md"
PRODUCTION = ROOT / "docs" / "production.md"
KINDS = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
_FEW = 8


def metrics_table() -> str:
    """Return the table of all metrics as the page has it."""
    rows = ["| metric | kind | labels | what it is |", "| --- | --- | --- | --- |", *map(_row, METRICS)]
    return "".join(f"{row}\n" for row in rows)


def _row(metric: Metric) -> str:
    name = f"{metric.name}_total" if isinstance(metric, Counter) else metric.name
    kind = KINDS[type(metric)] + (", shared" if metric.is_shared else "")
    labels = "; ".join(map(_label, metric.labels))
    buckets = ""
    if isinstance(metric, Histogram):
        buckets = f" Buckets from {metric.buckets[0]:.10g} to {metric.buckets[-1]:.10g}."
    return f"| `{name}` | {kind} | {labels} | {metric.help}{buckets} |"


def _label(label: Label) -> str:
    values = sorted(label.values or ())
    shown = f": {', '.join(values)}" if 0 < len(values) <= _FEW else ""
    return f"`{label.name}`{shown}"


def test_the_page_has_each_metric_as_the_table_has_it():
    written = re.search(r"<!-- metrics -->\n(.*)<!-- /metrics -->", PAGE.read_text(), re.DOTALL)
    assert written is not None
    assert written[1] == metrics_table(), "put the text of metrics_table() there"


def test_the_page_has_each_alert_with_its_severity_a_promise_and_a_remedy():
    rows = re.findall(
        r"^\| `(ServiceServer\w+)` \| (\w+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE
    )

    assert {name: severity for name, severity, _promise, _remedy in rows} == {
        name: rule["labels"]["severity"] for name, rule in alerts().items()
    }
    assert len(rows) == len(alerts())


def test_each_promise_names_the_alerts_that_watch_over_it_or_has_none():
    (table,) = (
        part
        for part in PRODUCTION.read_text().split("\n\n")
        if part.startswith("| guarantee | test | alerts |\n")
    )
    _header, _line, *promises = table.splitlines()

    assert len(promises) > 20
    for row in promises:
        watched_by = row.rstrip(" |").rpartition(" | ")[2]
        names = re.findall(r"`(\w+)`", watched_by)
        assert watched_by == "—" or names, row
        assert {f"ServiceServer{name}" for name in names} <= alerts().keys(), row
