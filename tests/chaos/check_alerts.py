"""Each alert fires while the thing is there that it is about, and clears after it.

One API and two workers are scraped by a Prometheus, whose rules are the deployed ones with shorter times.
"""

import re
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from threading import Event, Thread
from uuid import uuid4

import httpx
import psutil
import pytest
import sqlalchemy as sa

from adapters.dramatiq_queue.messages import COMPLETIONS
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from application.ports.operation_queries import COUNTED_UP_TO
from tests.chaos.conftest import QUICK
from tests.chaos.jobs import ask, soon, submit
from tests.support.cluster import CODE_BUCKET, LOG_BUCKET, Cluster
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.prometheus_server import prometheus_server
from tests.support.queue_messages import completion, on_the_wire
from tests.support.receiver import receiver
from tests.support.runner import hang, replies, runs
from tests.support.service import ROOT

RULES = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
# Times of minutes in the rules, and the seconds that stand for them here.
SHORTER = (
    (r"\[\d+m\]", "[6s]"),
    (r"\bfor: \w+", "for: 0s"),
    (r"(age_seconds|lag_seconds)(.*) > \d+", r"\1\2 > 1"),
)
# Two threads in all, a result that waits for three seconds, and an engine that is waited for as long.
SMALL = {
    **QUICK,
    "SERVICE_SERVER_WORKER_THREADS": "1",
    "SERVICE_SERVER_PENDING_RESULTS_S": "3",
    "SERVICE_SERVER_ENGINE_WAIT_S": "3",
}
UPLOAD = {"project": "chaos", "language": "python", "code": "print(1)"}
RUNNING = "SELECT COUNT(*) FROM executions WHERE state = 'CLAIMED'"


class Watched(Cluster):
    """A cluster of one API and two workers, each scraped at an address that stays."""

    def __init__(self, directory, servers, **settings):
        super().__init__(directory, servers, redis_database=6, **settings)
        self.targets = []

    def start_all(self):
        """Start the API, and workers with ports for their metrics."""
        self.start(apis=1, workers=0)
        self.targets = [self.urls[0].removeprefix("http://")]
        for _ in range(2):
            port = free_port()
            self.environment = self.environment | {"SERVICE_SERVER_METRICS_PORT": str(port)}
            self.start(apis=0, workers=1)
            self.targets.append(f"127.0.0.1:{port}")

    def post(self, path, body=None):
        """Send a request, and pass over a connection that breaks."""
        with suppress(httpx.TransportError):
            ask("POST", f"{self.urls[0]}{path}", json=body)

    def occupy(self, **fields):
        """Have each worker run a program that does not end."""
        self.servers.runner.behaviour = hang
        for _ in self.workers:
            job_id = submit(self.urls[0], timeout_ms=600_000, **fields)
            soon(lambda job_id=job_id: self.rows(f"{RUNNING} AND job_id = :id", id=job_id) == [(1,)])

    def cancel_all(self):
        """End the programs that run and the jobs that wait."""
        self.servers.runner.behaviour = runs()
        for (job_id,) in self.rows("SELECT job_id FROM jobs WHERE status = 'RUNNING'"):
            self.post(f"/api/cancel/{job_id}")
        assert eventually(lambda: self.rows(RUNNING) == [(0,)])


@pytest.fixture(scope="module")
def watched(servers, tmp_path_factory):
    with Watched(tmp_path_factory.mktemp("alerts"), servers, **SMALL) as cluster:
        cluster.start_all()
        yield cluster


@pytest.fixture(scope="module")
def firing(watched, tmp_path_factory):
    """Returns the names of the alerts that fire now."""
    directory = tmp_path_factory.mktemp("prometheus")
    rules = RULES
    for found, shorter in SHORTER:
        rules = re.sub(found, shorter, rules)
    (directory / "alerts.yaml").write_text(rules)
    scraped = {"job_name": "service-server", "static_configs": [{"targets": watched.targets}]}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [scraped],
    }
    with prometheus_server(directory, configuration) as prometheus:

        def ask_for_alerts():
            alerts = prometheus.query('ALERTS{alertstate="firing"}')
            return {labels["alertname"] for labels, _value in alerts}

        assert eventually(lambda: [value for _, value in prometheus.query("up")] == [1.0] * 3)
        yield ask_for_alerts


@contextmanager
def repeated(act, every_s=0.05, threads=1):
    """Do something again and again, at intervals, until the context ends."""
    over = Event()

    def repeat():
        while not over.wait(every_s):
            act()

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(repeat)
        try:
            yield
        finally:
            over.set()


@contextmanager
def the_database_is_away(cluster):
    cluster.servers.database.kill()
    try:
        with repeated(lambda: cluster.post("/api/upload", UPLOAD)):
            yield
    finally:
        cluster.servers.database.revive()
        cluster.wait_until_ready()


@contextmanager
def the_database_stops_at_times(cluster):
    database = psutil.Process(cluster.servers.database.pid)

    def hold_up():
        upload = Thread(target=cluster.post, args=("/api/upload", UPLOAD))
        database.suspend()
        try:
            upload.start()
            time.sleep(1.5)
        finally:
            database.resume()
        upload.join()

    with repeated(hold_up):
        yield


@contextmanager
def redis_is_away(cluster):
    cluster.servers.redis.kill()
    try:
        submit(cluster.urls[0])
        yield
    finally:
        cluster.servers.redis.revive()
        cluster.wait_until_ready()


@contextmanager
def the_store_fails(path, every_s, cluster):
    """The store takes nothing below a path, while jobs are uploaded at intervals."""
    cluster.servers.store.failing = (path,)
    try:
        with repeated(lambda: cluster.post("/api/upload", {**UPLOAD, "execute": True}), every_s):
            yield
    finally:
        cluster.servers.store.failing = ()
        cluster.wait_until_ready()


the_store_takes_no_code = partial(the_store_fails, f"/{CODE_BUCKET}", 0.05)
the_store_takes_no_logs = partial(the_store_fails, f"/{LOG_BUCKET}/", 0.5)


@contextmanager
def the_runner_is_away(cluster):
    with cluster.servers.runner.away(), repeated(lambda: submit(cluster.urls[0]), every_s=0.5):
        yield


@contextmanager
def the_runner_fails(cluster):
    cluster.servers.runner.behaviour = replies(500, "no memory")
    try:
        with repeated(lambda: submit(cluster.urls[0]), every_s=0.5):
            yield
    finally:
        cluster.servers.runner.behaviour = runs()


@contextmanager
def all_threads_are_busy(cluster):
    try:
        cluster.occupy()
        submit(cluster.urls[0])
        yield
    finally:
        cluster.cancel_all()


@contextmanager
def a_job_cannot_be_read(cluster):
    """The specification of a job that waits is damaged, and the job is claimed then."""
    damage = "UPDATE jobs SET spec = JSON_SET(spec, '$.max_attempts', 9) WHERE job_id = :id"
    try:
        cluster.occupy()
        job_id = submit(cluster.urls[0])
        with cluster.database.connect() as database:
            database.execute(sa.text(damage), {"id": job_id})
    finally:
        cluster.cancel_all()
    yield


@contextmanager
def all_workers_are_killed(cluster):
    try:
        for worker in cluster.workers:
            worker.kill()
        submit(cluster.urls[0])
        yield
    finally:
        cluster.heal()


@contextmanager
def a_worker_is_killed_with_a_job(cluster):
    try:
        cluster.occupy(max_attempts=1)
        cluster.workers[0].kill()
        yield
    finally:
        cluster.heal()
        cluster.cancel_all()


@contextmanager
def a_tenant_is_over_its_quota(cluster):
    quota = "UPDATE tenants SET quota = :quota WHERE tenant = 'default'"
    with cluster.database.connect() as database:
        database.execute(sa.text(quota), {"quota": '{"waiting": 0}'})
        try:
            with repeated(
                lambda: cluster.post("/api/upload", {**UPLOAD, "execute": True}), every_s=0.01, threads=2
            ):
                yield
        finally:
            database.execute(sa.text(quota), {"quota": "{}"})
    soon(lambda: ask("POST", f"{cluster.urls[0]}/api/upload", json=UPLOAD).is_success)


@contextmanager
def a_report_cannot_be_read(cluster):
    broker = RedisQueueBroker(cluster.environment["SERVICE_SERVER_REDIS_URL"])
    try:
        broker.enqueue(on_the_wire({**completion(), "body": "no object"}))
        yield
    finally:
        broker.client.delete(f"{broker.namespace}:{COMPLETIONS}.XQ")
        broker.close()


@contextmanager
def a_message_is_held_up(cluster):
    """A process stands still in the transaction that publishes a message."""
    message = {"id": str(uuid4()), "body": '{"version": 1, "language": "python"}'}
    add = "INSERT INTO outbox (message_id, name, body) VALUES (:id, 'JobCancelled', :body)"
    with cluster.database.connect().execution_options(isolation_level="READ COMMITTED") as database:
        database.execute(sa.text(add), message)
        database.commit()
        held = sa.text("SELECT 1 FROM outbox WHERE message_id = :id FOR UPDATE")
        try:
            assert database.execute(held, message).all(), "it was published before"
            yield
        finally:
            database.rollback()


@contextmanager
def a_receiver_fails(cluster):
    with receiver(lambda _event: 500) as target:
        unsettled = "SELECT COUNT(*) FROM webhook_deliveries WHERE settled_at IS NULL"
        try:
            submit(cluster.urls[0], callback_url=target.url)
            yield
        finally:
            target.answer = lambda _event: 204
            soon(lambda: cluster.rows(unsettled) == [(0,)])


@contextmanager
def deletions_pile_up(cluster):
    rows = (
        "INSERT INTO pending_deletions (digest, store, object_key, taken_at) "
        "SELECT CONCAT('pile-', seq), 'code', CONCAT('pile/', seq), UTC_TIMESTAMP(6) FROM seq_1_to_"
    )
    with cluster.database.connect() as database:
        try:
            database.execute(sa.text(f"{rows}{COUNTED_UP_TO + 1}"))
            yield
        finally:
            database.execute(sa.text("DELETE FROM pending_deletions WHERE digest LIKE 'pile-%'"))


@contextmanager
def a_purge_waits_for_a_row(cluster):
    project = f"purged-{uuid4()}"
    answer = ask("POST", f"{cluster.urls[0]}/api/upload", json={**UPLOAD, "project": project})
    wanted = {"id": answer.json()["job_id"]}
    waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    with cluster.database.connect().execution_options(isolation_level="READ COMMITTED") as database:
        try:
            database.execute(sa.text("SELECT 1 FROM jobs WHERE job_id = :id FOR UPDATE"), wanted)
            ask("DELETE", f"{cluster.urls[0]}/api/projects/{project}?purge=true").raise_for_status()
            soon(lambda: cluster.rows(waiting) != [(0,)])
            time.sleep(0.2)  # longer than a purge may hold a lock
        finally:
            database.rollback()
    yield


@contextmanager
def connections_take_almost_all_files(cluster):
    process = psutil.Process(cluster.apis[0].pid)
    before = process.rlimit(resource.RLIMIT_NOFILE)
    url = httpx.URL(cluster.urls[0])
    with ExitStack() as connections:
        for _ in range(300):
            connections.enter_context(socket.create_connection((url.host, url.port)))
        soon(lambda: process.num_fds() > 300)
        process.rlimit(resource.RLIMIT_NOFILE, (int(process.num_fds() / 0.92), before[1]))
        try:
            yield
        finally:
            process.rlimit(resource.RLIMIT_NOFILE, before)


# The things that are done at once, and the alerts that fire for them: all of these, and perhaps others.
THINGS = (
    (
        (deletions_pile_up, a_report_cannot_be_read, a_message_is_held_up),
        ("DeletionsPile", "DeadLetters", "OutboxLag"),
    ),
    ((a_receiver_fails, connections_take_almost_all_files), ("WebhooksFail", "OpenFiles")),
    ((a_purge_waits_for_a_row, a_tenant_is_over_its_quota), ("PurgesHold", "QuotaRefusals")),
    ((the_store_takes_no_code,), ("StorageErrors", "RequiredDependencyDown", "HttpErrors")),
    ((the_store_takes_no_logs,), ("ResultsWait", "LogsLost")),
    ((the_runner_fails,), ("EngineErrors",)),
    ((the_runner_is_away,), ("DependencyDown", "EngineErrors")),
    ((all_threads_are_busy,), ("WorkersBusy", "JobsWait")),
    ((a_job_cannot_be_read,), ("InternalErrors",)),
    ((redis_is_away,), ("CircuitOpen", "DependencyDown")),
    ((all_workers_are_killed,), ("ProcessDown", "NoWorkers", "JobsWait")),
    ((a_worker_is_killed_with_a_job,), ("LeasesExpire", "JobsLost")),
    ((the_database_is_away,), ("RequiredDependencyDown", "HttpErrors", "MetricsIncomplete")),
    ((the_database_stops_at_times,), ("UploadsSlow",)),
)
# Alerts that series in `alerts_test.yaml` alone have fire, and the reasons.
NOT_DONE = {
    "Retries": "more than one conflict a second, which the service avoids",
    "ProcessRestarts": "four starts within its time, which would have to be a minute",
    "ConnectionsUsed": "the scrape of a process without connections waits for one, too",
    "ColdStarts": "sandboxes of a worker's own, which has a runner here",
    "BacklogUnpublished": "one attempt a minute, and more than three are wanted",
}


def cleared(cluster, firing, names):
    """Return whether alerts clear in time; that of circuits does while jobs run, which close them."""
    jobs = repeated(lambda: submit(cluster.urls[0]), every_s=0.25)
    with jobs if "ServiceServerCircuitOpen" in names else nullcontext():
        return eventually(lambda: not firing() & names)


@pytest.mark.parametrize(("things", "names"), THINGS, ids=[names[0] for _things, names in THINGS])
def test_alerts_fire_while_their_cause_is_there_and_clear_after_it(watched, firing, things, names):
    wanted = {f"ServiceServer{name}" for name in names}
    assert cleared(watched, firing, wanted), firing()
    with ExitStack() as causes:
        for thing in things:
            causes.enter_context(thing(watched))
        assert eventually(lambda: wanted <= firing()), firing()
    assert cleared(watched, firing, wanted), firing()
