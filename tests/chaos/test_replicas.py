import pytest

from tests.support.cluster import Cluster

REPLICAS = 4


@pytest.fixture
def empty_cluster(servers, tmp_path):
    """A cluster without tables."""
    with Cluster(tmp_path / "replicas", servers, redis_database=3) as cluster:
        cluster.run("migrate", "down", "base")
        yield cluster


def test_replicas_that_migrate_at_once_do_not_fight(empty_cluster):
    # Given replicas that all migrate before they start
    replicas = [empty_cluster.command("migrate", "up") for _ in range(REPLICAS)]
    # When they do so at the same time
    for replica in replicas:
        replica.launch()
    codes = [replica.wait() for replica in replicas]
    # Then all of them go on, with the schema that they want
    assert codes == [0] * REPLICAS, [replica.output for replica in replicas]
    assert "up to date" in empty_cluster.run("migrate", "check")


def test_a_schema_that_is_not_there_is_told_by_the_command_line(empty_cluster):
    # When a schema without tables is looked at
    assert empty_cluster.run("migrate", "current").strip() == "base"
    check = empty_cluster.command("migrate", "check")
    check.launch()
    # Then the check says what to do about it
    assert check.wait() == 1
    assert "service-server migrate up" in check.output
