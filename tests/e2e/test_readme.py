"""What the README tells readers to type, typed."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import service

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
    assert "event: end" in ran.stdout
    problems = re.findall(PROBLEM + r"([a-z-]+)", ran.stdout)
    assert problems == ["transition-refused"]  # of the cancel that comes too late


def test_there_is_no_block_that_nobody_tries():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("goal", ["demo", "run", "check", "test", "bench"])
def test_the_goals_of_make_that_it_names_exist(goal):
    listed = subprocess.run(["make", "help"], cwd=service.ROOT, capture_output=True, text=True, check=True)
    assert f"make {goal}" in README.read_text()
    assert f"make {goal} " in listed.stdout
