"""The commands of the README, typed."""

import os
import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import service
from tests.support.cluster import running_servers
from tests.support.database_server import PASSWORD, USER, directory_in_memory
from tests.support.ports import free_port

README = Path(__file__).parents[2] / "README.md"
BLOCKS = [
    block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL) if "127.0.0.1" in block
]
PROBLEM = '"type":"urn:service-server:problem:'


def typed(block, server, env):
    program = block.replace("http://127.0.0.1:8000", server.url)
    program = program.replace(".venv/bin/service-server", service.PROGRAM)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", program],
        env=env,
        cwd=service.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )


def test_a_first_program_is_uploaded_and_executed_with_two_lines(server, env):
    ran = typed(BLOCKS[0], server, env)
    assert ran.returncode == 0, ran.stderr
    assert '"stdout":"6\\n"' in ran.stdout


def test_the_command_line_runs_the_examples(server, env):
    ran = typed(BLOCKS[1], server, env)
    assert ran.returncode == 0, ran.stderr
    assert "7 a\n" in ran.stdout
    assert "420 km: Seoul - Daejeon - Daegu - Busan" in ran.stdout


def test_every_call_of_the_api_answers_as_it_says(server, env):
    ran = typed(BLOCKS[2], server, env)
    assert ran.returncode == 0, ran.stderr
    assert '"stdout":"hello world\\n"' in ran.stdout
    assert '"verdict":"wrong_answer"' in ran.stdout
    assert '"path":"sum.txt"' in ran.stdout
    assert '"stdout":"once more\\n"' in ran.stdout
    assert '"SUCCESS":2' in ran.stdout
    assert "event: end" in ran.stdout
    problems = re.findall(PROBLEM + r"([a-z-]+)", ran.stdout)
    assert problems == ["transition-refused"]  # of the cancel that comes too late


def test_production_s_shape_comes_up_line_by_line(tmp_path):
    with directory_in_memory() as directory, running_servers(directory) as servers:
        servers.database.create_schema("service_server")
        ports = {number: str(free_port()) for number in ("8000", "9000", "9001")}
        ports |= {"3306": str(servers.database.port), "6379": str(urlsplit(servers.redis.url).port)}
        block = re.sub("|".join(ports), lambda number: ports[number[0]], BLOCKS[3])
        block = block.replace("USERNAME=service_server", f"USERNAME={USER}").replace("change-me", PASSWORD)
        env = service.environment(tmp_path / "data", SERVER_PORT=ports["8000"])
        said = all_processes_of(block.replace(".venv/bin", str(Path(service.PROGRAM).parent)), env, tmp_path)
    assert '"status":"SUCCESS"' in said
    assert '"stdout":"42\\n"' in said


def all_processes_of(block, env, directory):
    """Type a block, end the processes that it has left, and return its output."""
    with (directory / "said").open("wb") as said:
        typed = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block],
            env=env,
            cwd=service.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            typed.wait(200)
        finally:
            os.killpg(typed.pid, signal.SIGTERM)
    return (directory / "said").read_text()


def test_there_is_no_block_that_nobody_tries():
    assert len(BLOCKS) == 4


def test_it_says_of_isolation_what_the_engine_says(server, tmp_path):
    def is_isolated(server):
        with server.http as http:
            return http.get("/api/engine").json()["isolated"]

    assert "Each program runs in its own sandbox" in README.read_text()
    assert is_isolated(server)
    assert "`SERVICE_SERVER_SANDBOX=off` runs them anyway,\n> **not isolated**" in README.read_text()
    with service.served(service.environment(tmp_path, SERVICE_SERVER_SANDBOX="off")) as trusting:
        assert not is_isolated(trusting)


def test_its_pictures_exist():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README.read_text())
    assert {Path(picture).stem for picture in pictures} == {
        f"{page}-{theme}" for page in ("projects", "project", "job", "cluster") for theme in ("light", "dark")
    }
    assert all((service.ROOT / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("goal", ["demo", "run", "check", "test", "soak", "bench"])
def test_the_goals_of_make_that_it_names_exist(goal):
    listed = subprocess.run(["make", "help"], cwd=service.ROOT, capture_output=True, text=True, check=True)
    assert f"make {goal}" in README.read_text()
    assert f"make {goal} " in listed.stdout
