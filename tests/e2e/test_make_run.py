import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import service

PATIENCE_S = 200


@pytest.fixture
def said(tmp_path):
    """Start with `make run`, and return the lines that it prints."""
    process = subprocess.Popen(
        # What is installed stays as it is.
        ["make", "--old-file=.venv/.run", f"BIN={Path(service.PROGRAM).parent}", "run"],
        env=service.environment(tmp_path, SERVER_PORT=0),
        cwd=service.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process.stdout
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.stdout.close()
            process.wait(PATIENCE_S)


@pytest.mark.timeout(PATIENCE_S)
def test_a_first_program_runs_with_the_two_lines_that_it_prints(said):
    typed = []
    for line in said:
        if re.match(r"  (JOB=|curl )", line):
            typed.append(line.strip())
        if len(typed) == 2:
            break
    ran = subprocess.run(
        ["bash", "-euc", "\n".join(typed)], capture_output=True, check=True, timeout=PATIENCE_S
    )
    assert b'"stdout":"6\\n"' in ran.stdout
