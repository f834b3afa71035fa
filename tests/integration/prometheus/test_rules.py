"""The alerts and the dashboard ask for metrics that there are, and each alert fires and clears."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from application.metrics import FAULTS, METRICS, PREFIX, Counter, Histogram
from tests.chaos.check_alerts import NOT_DONE, THINGS
from tests.support.service import ROOT

DEPLOY = ROOT / "deploy"
RULES, TESTS = DEPLOY / "prometheus" / "alerts.yaml", DEPLOY / "prometheus" / "alerts_test.yaml"
DASHBOARD = DEPLOY / "grafana" / "service-server.json"
# Of the client library, and of Prometheus itself.
LIBRARY = {"build_info", "process_start_time_seconds", "process_cpu_seconds_total", "process_max_fds"}
LIBRARY |= {"process_open_fds", "process_resident_memory_bytes"}
ADDED_LABELS = {"job", "instance", "le", "version"}
METRIC = re.compile(rf"{PREFIX}(\w+)(?:\{{([^}}]*)\}})?")
MATCHER = re.compile(r'(\w+)\s*(=|!=|=~|!~)\s*"([^"]*)"')


def promtool(*arguments: object) -> None:
    if shutil.which("promtool") is None:
        missing = "promtool is not installed: apt-get install prometheus"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> dict[str, dict]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def dashboard_queries() -> Iterator[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]


def names() -> dict[str, dict[str, frozenset[str] | None]]:
    """Return the labels of each metric by the names that queries have for it."""
    found: dict[str, dict[str, frozenset[str] | None]] = {name: {} for name in LIBRARY}
    for metric in METRICS:
        labels = {label.name: label.values for label in metric.labels}
        if isinstance(metric, Histogram):
            found |= {f"{metric.name}_{suffix}": labels for suffix in ("bucket", "sum", "count")}
        else:
            found[f"{metric.name}_total" if isinstance(metric, Counter) else metric.name] = labels
    return found


@pytest.mark.parametrize(
    "query",
    [*(rule["expr"] for rule in alerts().values()), *dashboard_queries()],
    ids=lambda query: query[:60],
)
def test_a_query_asks_for_metrics_and_labels_that_there_are(query):
    known = names()
    for name, matchers in METRIC.findall(query):
        assert name in known
        for label, operator, value in MATCHER.findall(matchers):
            assert label in known[name].keys() | ADDED_LABELS, name
            values = known[name].get(label)
            wanted = value.split("|") if "~" in operator else [value]
            assert values is None or values.issuperset(wanted), name


def test_the_queries_of_the_dashboard_can_be_parsed(tmp_path):
    queries = [query.replace("$__rate_interval", "5m").replace("$job", "x") for query in dashboard_queries()]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))

    promtool("check", "rules", tmp_path / "queries.yaml")
    assert len(queries) > 30


def test_the_rules_are_valid_and_each_alert_fires_and_clears():
    promtool("check", "rules", RULES)
    promtool("test", "rules", TESTS)


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_is_gone():
    fires = set()
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        firing, cleared = test["promql_expr_test"]
        [sample] = firing["exp_samples"]
        fires |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
        assert cleared == {"expr": "ALERTS", "eval_time": cleared["eval_time"], "exp_samples": []}

    assert fires == alerts().keys()


def test_the_reasons_that_alerts_name_are_those_whose_counters_begin_at_zero():
    named = re.findall(r'jobs_ended_total\{reason=~?"([^"]+)"', RULES.read_text())
    assert {reason for reasons in named for reason in reasons.split("|")} == FAULTS


def test_each_alert_has_a_severity_and_a_summary():
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"]["summary"].endswith("."), name


def test_each_metric_is_in_the_dashboard_or_in_an_alert():
    asked = {name for query in (*dashboard_queries(), RULES.read_text()) for name, _ in METRIC.findall(query)}
    unused = {
        metric.name
        for metric in METRICS
        if not any(name == metric.name or name.startswith(f"{metric.name}_") for name in asked)
    }
    # For a look at the text, and for queries of one's own.
    assert unused <= {"http_responses", "outbox_messages", "purged_bytes", "warm_sandboxes_ready"}


def test_the_thing_that_an_alert_is_about_is_done_or_a_reason_says_why_not():
    named = {f"ServiceServer{name}" for _things, names in THINGS for name in names}
    named |= {f"ServiceServer{name}" for name in NOT_DONE}
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    assert named == {rule["alert"] for rule in group["rules"]}
