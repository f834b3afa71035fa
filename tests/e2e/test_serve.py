"""The server as its users meet it: started, called, stopped."""

import shutil
import signal
import socket

import pytest

from tests.support import service

PROGRAMS = {
    "python": "import sys; print(sum(map(int, sys.stdin.read().split())))",
    "node": "const input = require('fs').readFileSync(0, 'utf8');"
    "console.log(input.split(' ').reduce((sum, number) => sum + Number(number), 0));",
    "java": """
        public class Sum {
            public static void main(String[] arguments) {
                java.util.Scanner input = new java.util.Scanner(System.in);
                int sum = 0;
                while (input.hasNextInt()) sum += input.nextInt();
                System.out.println(sum);
            }
        }""",
}
NEEDS = {"python": "python3", "node": "node", "java": "javac"}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_that_reads_its_stdin_gives_its_answer(server, language):
    if shutil.which(NEEDS[language]) is None:
        pytest.skip(f"{NEEDS[language]} is not installed")
    uploaded = server.upload(PROGRAMS[language], language)
    assert uploaded["status"] == "PENDING"
    ended = server.execute(uploaded["job_id"], wait_s=60, stdin="1 2 39")
    assert (ended["status"], ended["data"]["result"]["stdout"]) == ("SUCCESS", "42\n")


def test_the_start_says_where_and_what_and_how(server):
    said = server.output
    assert f"listens on {server.url}" in said
    assert "SQLite in" in said
    assert f"curl -s {server.url}/api/upload" in said
    assert f"run --server {server.url}" in said


def test_a_port_that_is_taken_is_a_sentence(env):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = service.run("serve", "--port", str(port), env=env)
    assert refused.returncode == 3
    assert refused.stderr.decode() == (
        f"service-server: cannot listen on 127.0.0.1, port {port}: address already in use; "
        "SERVER_HOST and SERVER_PORT, or --host and --port, choose others\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_program_that_runs_is_let_end_before_the_server_does(tmp_path, number):
    env = service.environment(tmp_path)
    with service.served(env) as server:
        job_id = server.upload("import time; time.sleep(1); print('done')", execute=True)["job_id"]
        assert server.stop(number) == 0
    status = service.run("logs", job_id, env=env)
    assert (status.returncode, status.stdout) == (0, b"done\n")


def test_what_does_not_end_in_time_is_given_back_and_runs_again(tmp_path):
    env = service.environment(tmp_path, SERVICE_SERVER_DRAIN_S=0.2)
    with service.served(env) as server:
        job_id = server.upload("import time; time.sleep(1.5); print('done')", execute=True)["job_id"]
        with server.http as http, http.stream("GET", f"/api/jobs/{job_id}/output") as stream:
            assert next(stream.iter_lines()).startswith(("id:", "event:"))  # a worker has it
            assert server.stop() == 0
    with service.served(env) as server:
        ended = server.job(job_id, wait_s=60)
    assert ended["status"] == "SUCCESS"
