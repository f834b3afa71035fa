"""The backlog in CloudWatch, or an imitation of it."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.cloudwatch.backlog_publisher import CloudWatchBacklogPublisher
from adapters.cloudwatch.cluster_metrics import build_client
from application.errors import DependencyUnavailable
from application.ports.operation_queries import Backlog
from entrypoints.container import build_container
from tests.support.ports import free_port
from tests.support.settings import settings_of

CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test"}


def test_number_and_age_arrive_as_metrics_of_the_environment(moto_address):
    client = build_client("us-east-1", endpoint_url=moto_address, **CREDENTIALS)
    publisher = CloudWatchBacklogPublisher(client, "ServiceServer", "production")
    now = datetime.now(UTC).replace(microsecond=0)

    assert publisher.publish(Backlog(7, now - timedelta(seconds=90)), now)
    assert publisher.publish(Backlog(0, None), now)

    found = {name: _maximum(client, name, now) for name in ("QueueDepth", "QueueOldestAge")}
    assert found == {"QueueDepth": (7.0, "Count"), "QueueOldestAge": (90.0, "Seconds")}


def _maximum(client, name, now):
    [point] = client.get_metric_statistics(
        Namespace="ServiceServer",
        MetricName=name,
        Dimensions=[{"Name": "Environment", "Value": "production"}],
        StartTime=now - timedelta(minutes=1),
        EndTime=now + timedelta(minutes=1),
        Period=120,
        Statistics=["Maximum"],
    )["Datapoints"]
    return point["Maximum"], point["Unit"]


def test_a_cloudwatch_that_is_away_is_a_dependency_out_of_reach(caplog, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = build_client("us-east-1", endpoint_url=f"http://127.0.0.1:{free_port()}", **CREDENTIALS)
    publisher = CloudWatchBacklogPublisher(client, "ServiceServer", "test")

    with pytest.raises(DependencyUnavailable, match="metrics"):
        publisher.publish(Backlog(1, None), datetime.now(UTC))
    assert "sending the backlog failed" in caplog.text


@pytest.mark.parametrize(
    ("settings", "on_ecs", "publishes"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"publish_backlog": False}, True, False),
        ({"publish_backlog": True}, False, True),
    ],
)
def test_it_is_published_on_ecs_or_as_the_settings_have_it(
    tmp_path, monkeypatch, settings, on_ecs, publishes
):
    if on_ecs:
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/1")
    container = build_container(settings_of(data_dir=tmp_path, **settings))

    assert isinstance(container.backlog_publisher(), CloudWatchBacklogPublisher) is publishes
