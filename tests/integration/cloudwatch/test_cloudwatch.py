"""How CloudWatch is asked: page by page, again when it throttles, and once for many."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from adapters.cloudwatch.cluster_metrics import CloudWatchClusterMetrics, build_client
from application.errors import DependencyUnavailable
from application.ports.cluster_metrics import MetricPoint
from tests.support.memory.clock import MemoryClock
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.scripted_http import Answer, scripted_server

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEADERS = {"Content-Type": "application/x-amz-json-1.0"}


def answer(body, status=200):
    return Answer(status, json.dumps(body).encode(), HEADERS)


def result(query_id, values, status="Complete"):
    """CloudWatch's data points of one metric: its values at minutes from noon."""
    timestamps = [(NOON + minute * MINUTE).timestamp() for minute in values]
    return {"Id": query_id, "Timestamps": timestamps, "Values": list(values.values()), "StatusCode": status}


def figures(*results, **more):
    return answer({"MetricDataResults": list(results), **more})


def refusal(code, status=400):
    return answer({"__type": f"com.amazonaws.cloudwatch#{code}", "message": "no, says host.example"}, status)


def metrics_at(address, cache_s=5.0):
    client = build_client(
        "us-east-1", endpoint_url=address, access_key_id="a-known-id", secret_access_key="s"
    )
    return CloudWatchClusterMetrics(client, MemoryClock(NOON + 2 * MINUTE), cache_s)


IDLE = figures(result("cpu", {0: 1.0}), result("memory", {0: 2.0}))


def test_the_points_of_all_pages_are_merged_by_their_time():
    pages = (
        figures(result("cpu", {0: 10.0}, "PartialData"), result("memory", {1: 51.0}), NextToken="next"),
        figures(result("cpu", {2: 12.0, 1: 11.0})),
    )
    with scripted_server(*pages) as server:
        points = metrics_at(server.address).utilization("main", 10, 60)
    assert points == [
        MetricPoint(NOON, 10.0, None),
        MetricPoint(NOON + MINUTE, 11.0, 51.0),
        MetricPoint(NOON + 2 * MINUTE, 12.0, None),
    ]


def test_names_on_several_pages_are_sorted_and_given_once(moto_address):
    # Given more services in a cluster than a page of CloudWatch's holds
    client = build_client(
        "us-east-1", endpoint_url=moto_address, access_key_id="test", secret_access_key="test"
    )
    data = [
        {
            "MetricName": name,
            "Value": 1.0,
            "Dimensions": [
                {"Name": "ClusterName", "Value": "crowded"},
                {"Name": "ServiceName", "Value": f"service-{number}"},
            ],
        }
        for name in ("MemoryUtilization", "CPUUtilization")
        for number in range(400)
    ]
    client.put_metric_data(Namespace="AWS/ECS", MetricData=data)
    # When the names are asked for, then each is there once
    assert metrics_at(moto_address).metric_names("crowded") == ["CPUUtilization", "MemoryUtilization"]


@pytest.mark.parametrize("fault", [refusal("Throttling"), refusal("InternalServiceFault", 500)])
def test_a_fault_that_passes_is_not_noticed(fault):
    with scripted_server(fault, IDLE) as server:
        assert metrics_at(server.address).utilization("main", 10, 60) == [MetricPoint(NOON, 1.0, 2.0)]


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (refusal("AccessDeniedException", 403), 1),
        (Answer(200, b"\xff<html>", HEADERS), 1),
        (Answer(200, b"{}", HEADERS), 1),
        (figures(result("cpu", {0: 1.0}), result("memory", {}, "InternalError")), 1),
        (refusal("InternalServiceFault", 500), 4),
    ],
    ids=["forbidden", "garbage", "no field", "half an answer", "fault"],
)
def test_what_cannot_be_read_is_an_outage_that_names_no_host(fault, attempts):
    with scripted_server(fault) as server, pytest.raises(DependencyUnavailable) as refused:
        metrics_at(server.address).utilization("main", 10, 60)
    assert len(server.requests) == attempts
    assert refused.value.dependency == "metrics"
    assert not [name for name in ("127.0.0.1", "example", "known") if name in str(refused.value)]


def test_many_who_ask_the_same_at_once_cost_one_call():
    # Given thirty callers
    with scripted_server(IDLE) as server:
        metrics = metrics_at(server.address)
        barrier = threading.Barrier(30)
        seen = []

        def ask():
            barrier.wait()
            seen.append(metrics.utilization("main", 10, 60))

        callers = [threading.Thread(target=ask) for _ in range(30)]
        # When they ask together
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        # Then all are answered by one call, and another question is another call
        assert seen == [[MetricPoint(NOON, 1.0, 2.0)]] * 30
        assert len(server.requests) == 1
        metrics.utilization("main", 10, 30)
        assert len(server.requests) == 2


def test_an_answer_is_used_for_its_time_and_no_longer():
    with scripted_server(IDLE) as server:
        metrics = metrics_at(server.address, cache_s=0.2)
        begin = time.monotonic()
        while len(server.requests) < 3:
            metrics.utilization("main", 10, 60)
            assert time.monotonic() < begin + 30
    assert time.monotonic() - begin >= 0.4


def test_a_failure_is_not_remembered():
    with scripted_server(refusal("AccessDeniedException", 403), IDLE) as server:
        metrics = metrics_at(server.address)
        with pytest.raises(DependencyUnavailable):
            metrics.utilization("main", 10, 60)
        assert metrics.utilization("main", 10, 60) == [MetricPoint(NOON, 1.0, 2.0)]


def test_those_who_ask_while_cloudwatch_does_not_answer_are_refused_at_once():
    metrics = metrics_at(f"http://127.0.0.1:{free_port()}")
    # Given a question that had no answer, after some attempts
    with pytest.raises(DependencyUnavailable, match="cannot be reached"):
        metrics.utilization("main", 10, 60)
    # When others ask this or another question, then they do not wait
    begin = time.monotonic()
    for _ in range(32):
        with pytest.raises(DependencyUnavailable, match="circuit open"):
            metrics.utilization("main", 20, 60)
        with pytest.raises(DependencyUnavailable, match="circuit open"):
            metrics.metric_names("main")
    assert time.monotonic() - begin < 5


def test_a_cached_answer_is_no_sign_that_cloudwatch_answers():
    # Given a cached answer of a CloudWatch that no longer answers
    with scripted_server(IDLE, Answer(is_withheld=True)) as silent, ThreadPoolExecutor(1) as thread:
        metrics = metrics_at(silent.address, cache_s=600.0)
        metrics.utilization("main", 10, 60)
        # When the cached answer is used during another call, which then fails
        names = thread.submit(metrics.metric_names, "main")
        assert eventually(lambda: len(silent.requests) > 1)
        assert metrics.utilization("main", 10, 60) == [MetricPoint(NOON, 1.0, 2.0)]
        silent.closing.set()
        with pytest.raises(DependencyUnavailable, match="cannot be reached"):
            names.result()
        # Then the circuit is open
        with pytest.raises(DependencyUnavailable, match="circuit open"):
            metrics.metric_names("main")


def test_a_cached_answer_is_used_while_cloudwatch_does_not_answer():
    # Given a cached answer of a CloudWatch whose circuit is open
    with scripted_server(IDLE, Answer(is_withheld=True)) as silent:
        metrics = metrics_at(silent.address, cache_s=600.0)
        metrics.utilization("main", 10, 60)
    with pytest.raises(DependencyUnavailable, match="cannot be reached"):
        metrics.metric_names("main")
    with pytest.raises(DependencyUnavailable, match="circuit open"):
        metrics.metric_names("main")
    # When the same question is asked again, then it has its answer
    assert metrics.utilization("main", 10, 60) == [MetricPoint(NOON, 1.0, 2.0)]


@pytest.mark.parametrize("name", ["클러스터", "a b", "a/b", "x" * 256, ""])
def test_a_name_that_no_cluster_can_have_is_not_asked_for(name):
    with scripted_server(IDLE) as server:
        metrics = metrics_at(server.address)
        assert list(metrics.utilization(name, 10, 60)) == []
        assert list(metrics.metric_names(name)) == []
    assert server.requests == []
