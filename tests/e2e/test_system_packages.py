import shutil
import subprocess
import sys

import pytest

from tests.support import service


def command(directory, name, script):
    (directory / name).write_text(f"#!/bin/bash\n{script}\n")
    (directory / name).chmod(0o755)


@pytest.fixture
def bare(tmp_path):
    """Run the script as an ordinary user of a system that has next to nothing."""
    shutil.copytree(service.ROOT / "scripts", tmp_path / "scripts")
    for name in ("bash", "dirname", "grep"):
        (tmp_path / name).symlink_to(shutil.which(name))
    command(tmp_path, "id", "echo 1000")

    def run(goal, *, script="system-packages.sh", **variables):
        return subprocess.run(
            [tmp_path / "bash", f"scripts/{script}", goal],
            cwd=tmp_path,
            # Of the Pythons that would be found only one that is on the path.
            env={"PATH": str(tmp_path), "PYTHON": "python3", **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("goal", "packages"),
    [
        ("check", ["python3", "python3-venv"]),
        ("run", ["python3", "python3-venv", "bubblewrap"]),
        ("demo", ["python3", "python3-venv", "bubblewrap", "nodejs", "default-jdk-headless"]),
    ],
)
def test_all_that_is_missing_is_one_line_to_paste(bare, goal, packages):
    checked = bare(goal)
    assert f"  sudo apt-get install {' '.join(packages)}\n" in checked.stderr
    assert checked.returncode == 1


def test_a_goal_that_lacks_a_package_but_not_python_goes_on_unless_this_is_ci(bare, tmp_path):
    command(tmp_path, "python3", f'exec {sys.executable} "$@"')
    command(tmp_path, "uv", "exit 0")

    checked = bare("run")
    assert "  sudo apt-get install bubblewrap\n" in checked.stderr
    assert checked.returncode == 0
    assert bare("run", CI="true").returncode == 1
    assert bare("check").stderr == ""


def test_a_variable_that_names_no_python_is_told(bare):
    said = bare("run", PYTHON="python2").stderr
    assert said.startswith("PYTHON=python2 does not name Python 3.11 or newer.\n")


def test_an_interpreter_that_was_not_found_is_not_replaced_by_another(bare, tmp_path):
    # Given root on Debian, where packages can be installed
    command(tmp_path, "id", "echo 0")
    command(tmp_path, "apt-get", "exit 0")
    command(tmp_path / "scripts", "apt-install.sh", f'echo "$@" >{tmp_path / "installed"}')

    checked = bare("run", PYTHON="missing")

    assert checked.returncode == 1
    assert checked.stderr == "PYTHON=missing does not name Python 3.11 or newer.\nmissing was not found.\n"
    assert not (tmp_path / "installed").exists()
    assert bare("run").returncode == 0
    assert (tmp_path / "installed").read_text() == "python3 python3-venv bubblewrap\n"


def test_the_last_line_says_that_uv_could_not_be_installed(bare, tmp_path):
    # It has pip, which installs nothing.
    pip = '[[ "$*" == *"pip --version" ]] && exit 0; [[ "$*" == *"pip install"* ]] && exit 1'
    command(tmp_path, "python3", f'{pip}; exec {sys.executable} "$@"')
    command(tmp_path, "uv", "exit 1")

    installed = bare("requirements.lock", script="install-python.sh")
    assert installed.returncode == 1
    assert installed.stderr.splitlines()[-1].startswith("uv could not be installed with pip")
