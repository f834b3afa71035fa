"""A key that is revoked at one API process is refused by the others."""

import json
import time
from collections.abc import Mapping

import httpx
import pytest

from tests.support.cluster import Cluster
from tests.support.keys import bearer
from tests.support.no_tls import NO_TLS
from tests.support.processes import eventually

WITHIN_S = 5.0
JOB = {"project": "p", "code": "1", "language": "python", "execute": True}


@pytest.fixture(scope="module")
def guarded(servers, tmp_path_factory):
    """Two APIs that ask for keys, and the first administrator's. Jobs wait, for there is no worker."""
    directory = tmp_path_factory.mktemp("guarded")
    with Cluster(directory, servers, redis_database=9, SERVICE_SERVER_AUTH="keys") as cluster:
        cluster.start(apis=2, workers=0)
        cluster.wait_until_ready()
        admin = json.loads(cluster.run("setup", "--json"))["key"]
        yield cluster, admin


def ask(method: str, url: str, key: str, **request: object) -> httpx.Response:
    return httpx.request(method, url, headers=bearer(key), verify=NO_TLS, timeout=60, **request)


def make_key(url: str, admin: str) -> Mapping[str, str]:
    """Make a key, and a job with it; return the key's id and text, and the job's id."""
    body = {"name": "to be revoked", "scopes": ["jobs:read", "jobs:write", "logs:read"]}
    made = ask("POST", f"{url}/api/keys", admin, json=body).raise_for_status().json()
    job = ask("POST", f"{url}/api/upload", made["key"], json=JOB).raise_for_status().json()
    return {**made, "job_id": job["job_id"]}


def test_a_revoked_key_is_refused_everywhere_within_five_seconds(guarded):
    # Given a key that both processes know
    cluster, admin = guarded
    here, there = cluster.urls
    key = make_key(here, admin)
    for url in (here, there):
        assert ask("GET", f"{url}/api/jobs", key["key"]).status_code == 200
    # When it is revoked at one of them, under requests at both
    ask("DELETE", f"{here}/api/keys/{key['key_id']}", admin).raise_for_status()
    in_force_at = time.monotonic() + WITHIN_S
    # Then each refuses it in time, and for good
    for url in (there, here):
        last = time.monotonic()
        while ask("GET", f"{url}/api/jobs", key["key"]).status_code != 401:
            assert last < in_force_at
            last = time.monotonic()
    for _ in range(5):
        assert {ask("GET", f"{url}/api/jobs", key["key"]).status_code for url in (here, there)} == {401}


@pytest.mark.parametrize("stream", ["events", "output"])
def test_an_open_stream_at_another_process_ends_within_five_seconds(guarded, stream):
    # Given a stream at one process
    cluster, admin = guarded
    here, there = cluster.urls
    key = make_key(here, admin)
    url = f"{there}/api/jobs/{key['job_id']}/{stream}"
    with httpx.stream("GET", url, headers=bearer(key["key"]), timeout=60) as response:
        assert response.status_code == 200
        pieces = response.iter_bytes()
        assert next(pieces)
        # When the key is revoked at another
        begin = time.monotonic()
        ask("DELETE", f"{here}/api/keys/{key['key_id']}", admin).raise_for_status()
        # Then the stream ends in time, and does not say that the job had ended
        rest = b"".join(pieces)
    assert time.monotonic() - begin < 3 * WITHIN_S  # on a busy machine
    assert b"event: end" not in rest


def test_a_key_is_known_to_a_process_for_a_moment_while_the_database_is_away(guarded):
    # Given a key that a process knows
    cluster, admin = guarded
    url = f"{cluster.urls[0]}/api/languages"
    assert ask("GET", url, admin).status_code == 200
    # When the database is killed
    cluster.servers.database.kill()
    # Then the key is refused for the outage, and never as a bad one
    codes = set()

    def is_unavailable() -> bool:
        codes.add(code := ask("GET", url, admin).status_code)
        return code == 503

    assert eventually(is_unavailable)
    assert codes <= {200, 503}
    assert ask("GET", url, "ssk_unknown").status_code == 503
    # And is good again when the database is back
    cluster.servers.database.revive()
    assert eventually(lambda: ask("GET", url, admin).status_code == 200)
