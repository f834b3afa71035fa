"""Webhooks of a service that was started as an operator starts it, by the command line."""

import json

import pytest

from tests.support import service
from tests.support.processes import eventually
from tests.support.receiver import receiver


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    return {
        **service.environment(tmp_path_factory.mktemp("data")),
        "SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE": "true",
        "SERVICE_SERVER_WEBHOOK_RETRY_FIRST_S": "0.1",
    }


def test_webhooks_are_made_tested_and_followed_by_commands(server, env):
    where = {**env, "SERVICE_SERVER_SERVER_URL": server.url}

    def printed(*arguments, code=0):
        ran = service.run("webhooks", *arguments, env=where)
        assert ran.returncode == code, ran.stderr
        return ran.stdout.decode()

    statuses = [200]
    with receiver(lambda _event: statuses[0]) as target:
        webhook = json.loads(printed("add", target.url, "--event", "job.completed", "--json"))
        webhook_id = webhook["webhook_id"]
        assert printed("list").splitlines()[0].split("\t") == [
            *(webhook_id, "ACTIVE", "", "job.completed", target.url)
        ]
        assert "status" in printed("test", webhook_id)
        # A real program's end, with all that it wrote
        job_id = server.upload("print(6 * 7)", execute=True)["job_id"]
        assert eventually(lambda: target.of_job(job_id))
        (event,) = target.of_job(job_id)
        event.verify(webhook["secret"])
        assert event.data["data"]["result"]["stdout"] == "42\n"
        assert eventually(lambda: "PENDING" not in printed("deliveries", webhook_id))
        header, end, test = printed("deliveries", webhook_id, "--header").splitlines()
        assert header.split("\t")[:4] == ["DELIVERY", "EVENT", "ABOUT", "STATUS"]
        assert end.split("\t")[:4] == [event.id, "job.completed", job_id, "DELIVERED"]
        assert test.split("\t")[1] == "webhook.test"

        assert event.id in printed("redeliver", webhook_id, event.id)
        assert eventually(lambda: len(target.of_job(job_id)) == 2)
        statuses[0] = 503
        printed("test", webhook_id, code=1)
        new = json.loads(printed("rotate", webhook_id, "--json"))
        assert new["secret"] != webhook["secret"]
        assert printed("disable", webhook_id) == f"disabled {webhook_id}\n"
        assert "DISABLED" in printed("list")
        assert printed("enable", webhook_id) == f"enabled {webhook_id}\n"
        assert printed("remove", "--yes", webhook_id) == f"deleted {webhook_id}\n"
        assert json.loads(printed("list", "--json")) == []
