"""The wiring of the use cases is checked by their types: no test has to run to find two wires crossed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CROSSED = ("UploadCode", "FinishExecution", "RecoverOrphans")


def mypy(directory: Path) -> list[str]:
    """Check the services of a copy; return the errors."""
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--follow-imports", "silent"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, "application/services.py", "application/wiring"],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
    )
    return [line for line in checked.stdout.splitlines() if ": error: " in line]


def cross_the_wires(call: ast.Call) -> None:
    """Give each argument of a constructor to the next one's name."""
    values = [keyword.value for keyword in call.keywords]
    for keyword, value in zip(call.keywords, values[-1:] + values[:-1], strict=True):
        keyword.value = value


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for layer in ("application", "domain"):
        shutil.copytree(ROOT / layer, tmp_path / layer, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_mypy_refuses_crossed_arguments_of_a_constructor(copied: Path):
    # Given a copy in which three constructors get each other argument's value
    assert mypy(copied) == []
    for module in (copied / "application" / "wiring").iterdir():
        tree = ast.parse(module.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CROSSED:
                cross_the_wires(node)
        module.write_text(ast.unparse(tree))
    # When it is checked
    errors = mypy(copied)
    # Then each of them is refused
    assert all(any(f'to "{name}" has incompatible type' in error for error in errors) for name in CROSSED)
