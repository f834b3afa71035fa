import os
import re
import shutil
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


def test_a_clone_that_was_moved_installs_again(tmp_path):
    clone = tmp_path / "a clone"
    packages = clone / ".venv/lib/python3/site-packages"
    packages.mkdir(parents=True)
    shutil.copytree(service.ROOT / "scripts", clone / "scripts")
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-build.lock"):
        shutil.copy(service.ROOT / name, clone)
    (packages / "_editable_impl_service_server.pth").write_text(str(clone))
    (clone / ".venv/.run").touch()

    assert "install-python.sh" not in steps_of_run(clone)
    moved = clone.rename(tmp_path / "moved")
    assert "install-python.sh requirements.lock" in steps_of_run(moved)


def steps_of_run(clone):
    """Return the commands that `make run` would run."""
    return subprocess.run(
        ["make", "--dry-run", "run"], cwd=clone, capture_output=True, check=True, text=True
    ).stdout
