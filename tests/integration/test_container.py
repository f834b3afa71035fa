"""Every part of the service can be built, for every choice of settings."""

from typing import get_type_hints
from uuid import UUID

import pytest
import sqlalchemy as sa
from litestar.routes import HTTPRoute
from pydantic import SecretStr

from adapters.cloudwatch import cluster_metrics
from adapters.sql.errors import DatabaseGone
from application.errors import ConcurrencyConflict, DependencyUnavailable
from application.wiring.ports import Ports
from domain.limits import STANDARD_LIMITS
from entrypoints.container import build_container
from entrypoints.http.app import create_app
from entrypoints.http.site import Site
from tests.support.callers import ANONYMOUS
from tests.support.databases import make_tables
from tests.support.settings import settings_of

ID = UUID(int=1)
AWS = {
    "aws_access_key_id": "key",
    "aws_secret_access_key": SecretStr("secret"),
    "aws_endpoint_url": "http://127.0.0.1:9",
}
CHOICES = {
    "embedded": {},
    "mysql": {"rds_host": "127.0.0.1"},
    "code in s3": {"code_bucket": "code", **AWS},
    "logs in s3": {"log_bucket": "logs", **AWS},
    "plain addresses of logs": {"log_bucket": "logs", "presign_logs": False, **AWS},
    "redis": {"redis_url": SecretStr("redis://127.0.0.1:9")},
    "runners": {"engine_url": "http://127.0.0.1:9"},
    "cloudwatch": {"ecs_cluster_name": "production", **AWS},
    "cloudwatch elsewhere": {
        "ecs_cluster_name": "production",
        "ecs_region": "eu-north-1",
        "cloudwatch_endpoint_url": "http://127.0.0.1:9",
        **AWS,
    },
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_part_can_be_built_without_a_connection(choice, tmp_path):
    container = build_container(settings_of(data_dir=tmp_path, **CHOICES[choice]), STANDARD_LIMITS)

    for name, provider in container.providers.items():
        if name in {"broker", "dead_letters"}:  # on Redis alone
            assert (provider() is None) == (container.settings().redis_url is None)
        elif name not in {"legacy_import", "disconnect"}:  # one needs a source, the other ends the parts
            assert provider() is not None, name

    container.database().dispose()


@pytest.mark.parametrize("choice", CHOICES)
def test_each_port_is_given_an_adapter_of_its_type(choice, tmp_path):
    container = build_container(settings_of(data_dir=tmp_path, **CHOICES[choice]), STANDARD_LIMITS)

    ports = container.ports()

    for name, port in get_type_hints(Ports).items():
        assert isinstance(getattr(ports, name), port), name
        assert getattr(ports, name) is container.providers[name](), name
    container.database().dispose()


@pytest.mark.parametrize(
    ("chosen", "region", "address"),
    [
        ({}, "ap-northeast-2", "https://monitoring.ap-northeast-2.amazonaws.com"),
        ({"ecs_region": "eu-north-1"}, "eu-north-1", "https://monitoring.eu-north-1.amazonaws.com"),
        ({"cloudwatch_endpoint_url": "http://127.0.0.1:8"}, "ap-northeast-2", "http://127.0.0.1:8"),
    ],
)
def test_metrics_are_read_where_the_cluster_is_and_not_where_objects_are(
    tmp_path, monkeypatch, chosen, region, address
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", AWS["aws_endpoint_url"])
    settings = settings_of(
        data_dir=tmp_path,
        ecs_cluster_name="production",
        code_region="ap-northeast-2",
        **(AWS | chosen),
    )

    clients, build_client = [], cluster_metrics.build_client
    monkeypatch.setattr(
        cluster_metrics, "build_client", lambda *a, **k: clients.append(build_client(*a, **k)) or clients[0]
    )

    build_container(settings, STANDARD_LIMITS).cluster_metrics()

    (client,) = clients
    assert (client.meta.region_name, client.meta.endpoint_url) == (region, address)


def test_a_part_is_made_once(tmp_path):
    container = build_container(settings_of(data_dir=tmp_path), STANDARD_LIMITS)

    assert container.services() is container.services()
    assert container.ports().unit_of_work is container.unit_of_work()


# A read of each part that uses the database.
READS = {
    "unit of work": lambda ports: ports.unit_of_work.read(lambda transaction: transaction.executions.get(ID)),
    "jobs": lambda ports: ports.job_queries.status(ANONYMOUS, ID),
    "dashboard": lambda ports: ports.dashboard_queries.claimed(),
    "operations": lambda ports: ports.operation_queries.outbox(),
}


@pytest.fixture
def migrated(tmp_path):
    make_tables(tmp_path)
    container = build_container(settings_of(data_dir=tmp_path), STANDARD_LIMITS)
    yield container
    container.database().dispose()


def fail_once(database, error):
    def fail(*_statement):
        sa.event.remove(database, "before_cursor_execute", fail)
        raise error

    sa.event.listen(database, "before_cursor_execute", fail)


@pytest.mark.parametrize("part", READS)
def test_each_part_counts_its_retries_of_transactions(migrated, part):
    ports = migrated.ports()
    fail_once(migrated.database(), ConcurrencyConflict)

    READS[part](ports)

    exposed = ports.measurements.expose().content.decode()
    assert 'retries_total{dependency="database"} 1.0' in exposed


@pytest.mark.parametrize("part", READS)
def test_an_outage_of_the_database_that_one_part_sees_suspends_the_calls_of_all(migrated, part):
    ports = migrated.ports()
    fail_once(migrated.database(), DatabaseGone("it is away"))
    with pytest.raises(DependencyUnavailable, match="it is away"):
        READS[part](ports)

    for read in READS.values():
        with pytest.raises(DependencyUnavailable, match="circuit open"):
            read(ports)


def test_without_a_site_an_application_has_the_api_alone(tmp_path):
    settings = settings_of(data_dir=tmp_path)
    container = build_container(settings, STANDARD_LIMITS)
    arguments = (settings, STANDARD_LIMITS, container.ports(), container.services())

    alone, whole = create_app(*arguments), create_app(*arguments, Site.of(settings, container.services()))

    paths = [{route.path for route in app.routes} for app in (alone, whole)]
    of_pages = {path for path in paths[1] if path.startswith(("/dashboard", "/docs"))}
    assert paths[1] - paths[0] == of_pages | {"/", "/redoc", "/openapi.json"}
    assert not paths[0] & of_pages
    container.database().dispose()


def test_the_dependencies_of_a_handler_are_resolved_without_a_task_for_each(tmp_path):
    settings = settings_of(data_dir=tmp_path)
    container = build_container(settings, STANDARD_LIMITS)

    app = create_app(settings, STANDARD_LIMITS, container.ports(), container.services())

    parallel = [
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (_handler, arguments) in route.route_handler_map.items()
        if any(len(batch) > 1 for batch in arguments.dependency_batches)
    ]
    assert not parallel
    container.database().dispose()
