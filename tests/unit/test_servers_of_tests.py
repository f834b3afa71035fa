"""Servers that tests start."""

import os
import subprocess
import sys

from tests.support.processes import eventually, with_word

# A program that stands for a database server; it is killed before it is found not to be one.
START = """
import os, pathlib, sys
from tests.support.database_server import DatabaseServer

directory = pathlib.Path(os.environ["SERVER_DIRECTORY"])
DatabaseServer([sys.executable, "-c", "import time; time.sleep(3600)"], directory).start()
"""


def test_a_database_server_ends_with_a_test_run_that_is_killed(tmp_path):
    environment = {**os.environ, "SERVER_DIRECTORY": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", START], env=environment) as run:
        assert eventually(lambda: with_word(str(tmp_path)) != [])
        run.kill()

    assert eventually(lambda: with_word(str(tmp_path)) == [])
