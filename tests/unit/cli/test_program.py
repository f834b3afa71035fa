import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
# Interrupts the process when the program loads the framework, or when it runs.
_WHILE_LOADING = """
import os, signal, sys
class Interrupting:
    def find_spec(name, path, target=None):
        if name == "rich_click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting)
from entrypoints.cli.program import main
main()
"""
_WHILE_RUNNING = """
import os, signal, sys
from entrypoints.cli import main as loaded, program
loaded.service_server.main = lambda **_: os.kill(os.getpid(), signal.SIGINT)
try:
    program.main()
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("program", "exit_code"), [(_WHILE_LOADING, -signal.SIGINT), (_WHILE_RUNNING, 130)])
def test_an_interrupt_prints_no_traceback_at_any_time(program: str, exit_code: int):
    ran = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, check=False)

    assert (ran.returncode, ran.stderr) == (exit_code, b"")
