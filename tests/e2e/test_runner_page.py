"""The runner of docs/runner.md, run as its reader would, and the service with it."""

import re
import socket
import subprocess
import sys
import time

import pytest

from tests.support import service
from tests.support.ports import free_port
from tests.support.s3_stub import S3Stub

PAGE = service.ROOT / "docs" / "runner.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
WAIT_S = 90


@pytest.fixture(scope="module")
def buckets():
    with S3Stub() as store:
        yield {
            "AWS_CODE_BUCKET": "code",
            "AWS_LOG_BUCKET": "logs",
            "AWS_ENDPOINT_URL": store.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }


@pytest.fixture(scope="module")
def runner(buckets, tmp_path_factory):
    directory, port = tmp_path_factory.mktemp("runner"), free_port()
    (directory / "runner.py").write_text(EXAMPLE)
    env = service.environment(directory, **buckets, PORT=port, AWS_DEFAULT_REGION="us-east-1")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, directory / "runner.py"], env=env, stdout=log, stderr=log, cwd=directory
        )
    try:
        _wait_until_it_listens(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_until_it_listens(process, port):
    deadline = time.monotonic() + 90
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(buckets, runner, tmp_path_factory):
    env = service.environment(
        tmp_path_factory.mktemp("data"), **buckets, EXECUTION_ENGINE_PYTHON_RUN_URL=f"{runner}/run"
    )
    with service.served(env) as running:
        yield running


@pytest.fixture(scope="module")
def http(server):
    with server.http as client:
        yield client


def ended(server, code, **fields):
    return server.execute(server.upload(code, **fields)["job_id"], wait_s=WAIT_S)


def test_the_service_says_that_the_runner_is_well_and_runs_one_language(http):
    ready = http.get("/health/ready").json()
    assert ready["status"] == "ready"
    languages = http.get("/api/languages").json()
    assert [language["name"] for language in languages if language["available"]] == ["python"]


def test_a_program_s_output_and_exit_code_come_back(server):
    job = ended(server, "import sys; print('한글'); print('oops', file=sys.stderr)")
    result = job["data"]["result"]
    assert (job["status"], result["stdout"], result["stderr"]) == ("SUCCESS", "한글\n", "oops\n")
    assert (result["exit_code"], result["resource"]["cpu_percent"]) == (0, 0.0)
    assert [note["code"] for note in result["notes"]] == ["usage_unknown"]

    job = ended(server, "raise SystemExit(3)", stdin="42")
    result = job["data"]["result"]
    assert (job["status"], job["data"]["reason"], result["exit_code"]) == ("FAILED", "nonzero_exit", 3)
    assert "stdin_not_passed" in [note["code"] for note in result["notes"]]


def test_a_program_that_takes_too_long_has_run_out_of_time(server):
    job = ended(server, "import time; time.sleep(60)", timeout_ms=1_000)
    assert (job["status"], job["data"]["reason"]) == ("TIMEOUT", "wall_time_limit")


def test_a_cancelled_program_is_stopped(server, http, tmp_path):
    started = tmp_path / "started"
    code = f"import time; open({str(started)!r}, 'w').close(); time.sleep(60)"
    job_id = server.upload(code, execute=True)["job_id"]
    deadline = time.monotonic() + WAIT_S
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)

    http.post(f"/api/cancel/{job_id}")

    while not (told := http.get(f"/api/jobs/{job_id}/timeline").json()["cancellation"])["stopped"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "accepted the request to stop the program" in told["proof"]
