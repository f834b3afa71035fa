"""Scripts of the pages that need no page, by the tests beside this one (`*.test.js`)."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.glob("*.test.js"))
_PATIENCE_S = 120


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_tests_of_a_script_pass(path: Path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")

    ran = subprocess.run(
        [node, "--test-reporter=spec", path], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )

    assert ran.returncode == 0, ran.stdout[-5_000:] + ran.stderr
    assert "pass 0" not in ran.stdout
