import os

import pytest

from tests.chaos.audit_log import AuditLog
from tests.chaos.reports import WEBHOOK_SECRET
from tests.support.cluster import Cluster, running_servers
from tests.support.database_server import directory_in_memory
from tests.support.runner import runs

# May do anything to the tables and nothing to the server, as in production: it is told to be read-only.
ORDINARY_USER = "ordinary"
# What takes half a minute in production, to keep from overreacting, takes a few seconds here.
QUICK = {
    "SERVICE_SERVER_LEASE_S": "3",
    "SERVICE_SERVER_RENEW_EVERY_S": "1",
    "SERVICE_SERVER_RESCUE_EVERY_S": "1",
    "SERVICE_SERVER_DRAIN_S": "3",
    "SERVICE_SERVER_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE": "true",
    "SERVICE_SERVER_WEBHOOK_TIMEOUT_S": "1",
    "SERVICE_SERVER_WEBHOOK_RETRY_FIRST_S": "0.05",
    "SERVICE_SERVER_WEBHOOK_RETRY_MAX_S": "1",
}


@pytest.fixture(scope="session")
def soak():
    """How many times as much as usual is to be done."""
    return int(os.environ.get("SERVICE_SERVER_SOAK", "1"))


@pytest.fixture(scope="package")
def servers():
    with directory_in_memory() as directory, running_servers(directory) as running:
        yield running


@pytest.fixture(scope="package")
def running_cluster(servers, tmp_path_factory):
    directory = tmp_path_factory.mktemp("quick")
    servers.database.create_ordinary_user(ORDINARY_USER, directory.name)
    with Cluster(directory, servers, **QUICK, AWS_RDS_USERNAME=ORDINARY_USER) as cluster:
        AuditLog(cluster.database).install()
        cluster.start(apis=2, workers=2)
        yield cluster


@pytest.fixture(autouse=True)
def _servers_are_well(servers):
    servers.runner.behaviour = runs()
    servers.store.failing = ()
    servers.database.revive()
    servers.redis.revive()


@pytest.fixture
def cluster(running_cluster):
    """Two APIs and two workers, all well."""
    running_cluster.heal()
    running_cluster.wait_until_ready()
    return running_cluster


@pytest.fixture
def audit_log(cluster):
    return AuditLog(cluster.database)
