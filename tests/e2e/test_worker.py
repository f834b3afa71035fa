"""Workers in processes of their own, beside an API that runs nothing itself."""

import os
import re
import signal

import httpx
import psutil
import pytest

from tests.support import service
from tests.support.no_tls import NO_TLS
from tests.support.ports import free_ports
from tests.support.processes import eventually
from tests.support.redis_server import redis_server

SLOW = "import time; print('begun', flush=True); time.sleep(60)"


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    with redis_server() as redis:
        yield service.environment(tmp_path_factory.mktemp("data"), SERVICE_SERVER_REDIS_URL=redis.url)


@pytest.fixture(scope="module")
def metrics_ports():
    return free_ports(2)


@pytest.fixture
def workers(env, metrics_ports):
    env = {**env, "SERVICE_SERVER_METRICS_PORT": str(metrics_ports[0])}
    with service.start("worker", "--processes", "2", "--threads", "2", env=env) as process:
        assert process.stdout.readline() == b"Working on 2 threads\n"
        yield process
        process.terminate()
        process.communicate(timeout=service.STOP_TIMEOUT_S)


def test_what_the_api_accepts_waits_for_a_worker_and_is_run_by_one(server, env):
    job = server.upload("print(6 * 7)", execute=True)
    assert server.job(job["job_id"])["status"] == "RUNNING"
    with service.start("worker", env=env) as worker:
        ended = server.job(job["job_id"], wait_s=60)
        worker.terminate()
        worker.communicate(timeout=service.STOP_TIMEOUT_S)
    assert (ended["status"], ended["data"]["result"]["stdout"]) == ("SUCCESS", "42\n")
    assert worker.returncode == 0


def test_an_api_that_runs_nothing_is_ready_whatever_its_own_machine_could_run(server):
    with server.http as http:
        told = http.get("/health/ready").json()
    assert told["status"] == "ready"
    assert {part["name"] for part in told["dependencies"]} == {"code store", "log store", "database", "queue"}


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_worker_ends_however_often_it_is_told_to(env, number):
    with service.start("worker", "--processes", number, env=env) as worker:
        assert worker.stdout.readline().startswith(b"Working on")
        told = (
            [child.pid for child in psutil.Process(worker.pid).children()] if number == "2" else [worker.pid]
        )
        for _ in range(500):
            for pid in told:
                os.kill(pid, signal.SIGTERM)
        worker.terminate()
        worker.communicate(timeout=service.STOP_TIMEOUT_S)
    assert worker.returncode == 0


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_worker_drains_when_its_terminal_is_closed(env, number):
    with service.start("worker", "--processes", number, env=env) as worker:
        assert worker.stdout.readline().startswith(b"Working on")
        worker.send_signal(signal.SIGHUP)
        worker.communicate(timeout=service.STOP_TIMEOUT_S)
    assert worker.returncode == 0


@pytest.mark.usefixtures("workers")
def test_output_and_a_cancel_cross_between_processes(server, env, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    with service.start("run", "--server", server.url, str(tmp_path / "slow.py"), env=env) as running:
        assert running.stdout.readline() == b"begun\n"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=90)
    job_id = said.split()[-1].decode()
    assert server.job(job_id)["status"] == "CANCELLED"


def slots(port):
    """Return the slots of the process that serves its metrics on a port; None if there is none."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", verify=NO_TLS).text
    except httpx.TransportError:
        return None
    return re.search(r"^service_server_worker_slots (.+)$", text, re.MULTILINE)[1]


def test_a_worker_process_that_dies_is_replaced(workers, metrics_ports):
    # Each process has its metrics on one of the ports, also the one that takes the place of another.
    assert eventually(lambda: [slots(port) for port in metrics_ports] == ["2.0", "2.0"])
    before = {child.pid for child in service.children(workers.pid)}
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)

    def is_replaced():
        now = {child.pid for child in service.children(workers.pid)}
        return len(now) == 2 and now != before

    assert eventually(is_replaced)
    assert eventually(lambda: [slots(port) for port in metrics_ports] == ["2.0", "2.0"])


def test_there_are_no_dead_letters_where_all_is_well(env):
    listed = service.run("dead-letters", "list", "--json", env=env)
    assert (listed.returncode, listed.stdout) == (0, b"[]\n")


@pytest.mark.parametrize("command", ["show", "requeue"])
def test_a_dead_letter_that_does_not_exist_is_one_sentence(env, command):
    refused = service.run("dead-letters", command, "nothing", env=env)
    assert (refused.returncode, refused.stderr) == (1, b"service-server: there is no dead letter 'nothing'\n")
